// First in, first out: what stands in it keeps its address, and an array that was emptied is used again.
#pragma once

#include <cstddef>
#include <utility>

#include "blocks.hpp"

namespace deedbook {

template <typename T, unsigned BITS>
class Queue {
public:
    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }
    T& operator[](std::size_t index) noexcept { return objects_[first_ + index]; }
    const T& operator[](std::size_t index) const noexcept { return const_cast<Queue&>(*this)[index]; }
    T& front() noexcept { return (*this)[0]; }

    T& push_back(T&& value) {
        if (first_ + size_ == objects_.size()) objects_.grow();
        T& place = (*this)[size_++];
        place = std::move(value);
        return place;
    }

    void pop_front() noexcept {
        --size_;
        if (++first_ >> BITS == 0) return;
        first_ = 0;
        objects_.rotate();
    }

    class Iterator {
    public:
        Iterator(const Queue& queue, std::size_t index) noexcept : queue_(&queue), index_(index) {}
        const T& operator*() const noexcept { return (*queue_)[index_]; }
        Iterator& operator++() noexcept { return ++index_, *this; }
        bool operator==(const Iterator& other) const noexcept { return index_ == other.index_; }

    private:
        const Queue* queue_;
        std::size_t index_;
    };

    Iterator begin() const noexcept { return {*this, 0}; }
    Iterator end() const noexcept { return {*this, size_}; }

private:
    Arrays<T, BITS> objects_;
    std::size_t first_ = 0, size_ = 0;  // the first one's place in the first array
};

}  // namespace deedbook
