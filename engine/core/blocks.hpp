// Memory for what grows and stays. Large blocks ask for large pages, so that far steps in them find their addresses at hand.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>
#include <vector>

#ifdef __linux__
#include <sys/mman.h>
#endif

namespace deedbook {

struct FreeBlock {
    void operator()(void* block) const noexcept { std::free(block); }
};
using Block = std::unique_ptr<void, FreeBlock>;

/// At least so many bytes; `bytes` is set to how many.
inline Block make_block(std::size_t& bytes) {
    constexpr std::size_t LINE = 64, LARGE_PAGE = 2 * 1024 * 1024;
    const std::size_t unit = bytes < LARGE_PAGE ? LINE : LARGE_PAGE;
    bytes = (bytes + unit - 1) / unit * unit;
    Block block(std::aligned_alloc(unit, bytes));
    if (!block) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
    if (unit == LARGE_PAGE) madvise(block.get(), bytes, MADV_HUGEPAGE);  // a wish: it works with small ones, too
#endif
    return block;
}

/// Objects by number, at addresses that stay: arrays of 2^BITS, cut from blocks that get larger and are never given back.
template <typename T, unsigned BITS>
class Arrays {
public:
    T& operator[](std::size_t number) noexcept { return arrays_[number >> BITS][number & (COUNT - 1)]; }
    const T& operator[](std::size_t number) const noexcept { return arrays_[number >> BITS][number & (COUNT - 1)]; }

    std::size_t size() const noexcept { return arrays_.size() << BITS; }

    /// By one array.
    void grow() {
        constexpr std::size_t BYTES = COUNT * sizeof(T);
        if (left_ < BYTES) {
            left_ = std::max(BYTES, total_);
            blocks_.push_back(make_block(left_));
            total_ += left_;
            next_ = static_cast<std::byte*>(blocks_.back().get());
        }
        T* const array = reinterpret_cast<T*>(next_);
        std::uninitialized_default_construct_n(array, COUNT);
        arrays_.emplace_back(array);
        next_ += BYTES;
        left_ -= BYTES;
    }

    /// The first 2^BITS objects get the highest numbers.
    void rotate() noexcept { std::rotate(arrays_.begin(), arrays_.begin() + 1, arrays_.end()); }

private:
    static constexpr std::size_t COUNT = std::size_t{1} << BITS;

    struct Destroy {
        void operator()(T* array) const noexcept { std::destroy_n(array, COUNT); }
    };

    std::vector<Block> blocks_;  // before the arrays, which go first
    std::vector<std::unique_ptr<T[], Destroy>> arrays_;
    std::byte* next_ = nullptr;
    std::size_t left_ = 0, total_ = 0;  // bytes of the last block, and of all
};

}  // namespace deedbook
