// First in, first out, in chunks: what stands in it keeps its address, and a chunk that was emptied is used again.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace deedbook {

template <typename T, unsigned CHUNK_BITS>
class Queue {
public:
    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }
    T& operator[](std::size_t index) noexcept { return chunks_[(first_ + index) >> CHUNK_BITS][(first_ + index) & MASK]; }
    const T& operator[](std::size_t index) const noexcept { return const_cast<Queue&>(*this)[index]; }
    T& front() noexcept { return (*this)[0]; }

    T& push_back(T&& value) {
        if (first_ + size_ == chunks_.size() << CHUNK_BITS) chunks_.push_back(std::make_unique_for_overwrite<T[]>(MASK + 1));
        T& place = (*this)[size_++];
        place = std::move(value);
        return place;
    }

    void pop_front() noexcept {
        --size_;
        if (++first_ <= MASK) return;
        first_ = 0;
        std::rotate(chunks_.begin(), chunks_.begin() + 1, chunks_.end());
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
    static constexpr std::size_t MASK = (std::size_t{1} << CHUNK_BITS) - 1;

    std::vector<std::unique_ptr<T[]>> chunks_;
    std::size_t first_ = 0, size_ = 0;  // the first one's place in the first chunk
};

}  // namespace deedbook
