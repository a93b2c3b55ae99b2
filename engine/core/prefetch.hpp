// Memory that will be used soon is asked for early.
#pragma once

#include <cstddef>

namespace deedbook {

inline void prefetch(const void* address) noexcept {
    __builtin_prefetch(address);
    asm volatile("");  // or the compiler takes a function that only prefetches for one without effect, and drops the call
}

/// All lines of an object.
template <typename T>
void prefetch_whole(const T& object) noexcept {
    for (std::size_t line = 0; line < sizeof object; line += 64) prefetch(reinterpret_cast<const char*>(&object) + line);
}

}  // namespace deedbook
