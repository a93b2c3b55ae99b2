// Objects by number, at addresses that stay, and a list of the free ones.
#pragma once

#include <cstdint>
#include <vector>

#include "blocks.hpp"
#include "prefetch.hpp"

namespace deedbook {

constexpr std::uint32_t NIL = UINT32_MAX;

template <typename T>
class Pool {
public:
    T& operator[](std::uint32_t number) noexcept { return objects_[number]; }
    const T& operator[](std::uint32_t number) const noexcept { return objects_[number]; }

    std::uint32_t take() {
        if (!free_.empty()) {
            const std::uint32_t number = free_.back();
            free_.pop_back();
            return number;
        }
        if (size_ == objects_.size()) {
            objects_.grow();
            free_.reserve(objects_.size());  // so that giving back never allocates
        }
        return size_++;
    }

    /// The number that is taken `ahead` takes from now will be used soon.
    void prefetch_next(std::size_t ahead) const noexcept {
        if (free_.size() > ahead) prefetch_whole((*this)[free_[free_.size() - 1 - ahead]]);
    }

    void give_back(std::uint32_t number) noexcept { free_.push_back(number); }

private:
    Arrays<T, 12> objects_;
    std::vector<std::uint32_t> free_;
    std::uint32_t size_ = 0;
};

}  // namespace deedbook
