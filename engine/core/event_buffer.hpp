// The events of the commands at hand, written where they stay until the next call; the memory is kept.
#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>

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
    const Event* data() const noexcept { return events_.get(); }
    std::size_t size() const noexcept { return size_; }
    void clear() noexcept { size_ = 0; }

private:
    static constexpr std::size_t CAPACITY_FIRST = 4096;

    [[gnu::noinline]] void grow() {
        const std::size_t capacity = std::max(CAPACITY_FIRST, 2 * capacity_);
        std::unique_ptr<Event[]> events = std::make_unique_for_overwrite<Event[]>(capacity);
        std::copy_n(events_.get(), size_, events.get());
        events_ = std::move(events);
        capacity_ = capacity;
    }

    std::unique_ptr<Event[]> events_;
    std::size_t size_ = 0, capacity_ = 0;
};

}  // namespace deedbook
