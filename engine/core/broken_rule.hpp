// A mistake of ours: the engine stops where it stands and is not used any further. Never a user's mistake.
#pragma once

namespace deedbook {

struct BrokenRule {
    const char* what;  // a literal
};

inline void require(bool holds, const char* what) {
    if (!holds) [[unlikely]] throw BrokenRule{what};
}

}  // namespace deedbook
