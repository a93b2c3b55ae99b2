// The events of the commands at hand, written where they stay until the next call; the memory is kept.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

#include "blocks.hpp"
#include "wire.hpp"

namespace deedbook {

class EventBuffer {
public:
    /// A new event, all zero.
    Event& add() {
        if (size_ == capacity_) [[unlikely]] grow();
        Event& event = events_[size_++];
        // Slot by slot these are a few wide stores; as one assignment they become a string instruction, which is slow to start.
        event.seq = 0;
        event.kind = event.reason = 0;
        event.instrument = 0;
        event.account = 0;
        event.a = event.b = event.c = event.d = event.e = event.f = event.g = event.h = 0;
        event.peer = 0;
        event.side = event.flags = 0;
        event.zero = 0;
        return event;
    }

    Event& operator[](std::size_t index) noexcept { return events_[index]; }
    const Event* data() const noexcept { return events_; }
    std::size_t size() const noexcept { return size_; }
    void clear() noexcept { size_ = 0; }

private:
    static constexpr std::size_t CAPACITY_FIRST = 4096;

    [[gnu::noinline]] void grow() {
        std::size_t bytes = std::max(CAPACITY_FIRST, 2 * capacity_) * sizeof(Event);
        Block block = make_block(bytes);
        Event* const events = static_cast<Event*>(block.get());
        std::uninitialized_copy_n(events_, size_, events);
        block_ = std::move(block);
        events_ = events;
        capacity_ = bytes / sizeof(Event);
    }

    Block block_;
    Event* events_ = nullptr;
    std::size_t size_ = 0, capacity_ = 0;
};

}  // namespace deedbook
