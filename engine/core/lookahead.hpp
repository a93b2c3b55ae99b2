// Asks for the memory that the next commands of a batch will need, while the present one is worked on; changes nothing.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "prefetch.hpp"
#include "venue.hpp"
#include "wire.hpp"

namespace deedbook {

/// A command's way to its memory has steps, each through what the one before it brought: index, order, its neighbours.
class Lookahead {
public:
    Lookahead(Venue& venue, std::string_view commands) noexcept
        : venue_(venue), commands_(commands), is_wide_(venue.instruments.size() > FEW),
          is_worth_it_(is_wide_ || venue.index.count() > FEW_ORDERS) {}

    /// Before the command at this byte is applied.
    void at(std::size_t at) noexcept {
        if (!is_worth_it_) return;
        const std::size_t left = (commands_.size() - at) / sizeof(Command);
        if (left > FIRST) find(at + FIRST * sizeof(Command));
        if (left > SECOND) open(at + SECOND * sizeof(Command));
        if (left > THIRD) reach(at + THIRD * sizeof(Command));
        if (left > FOURTH) touch(at + FOURTH * sizeof(Command));
    }

private:
    static constexpr std::size_t FIRST = 9, SECOND = 6, THIRD = 3, FOURTH = 1;  // commands ahead
    static constexpr std::size_t FEW_ORDERS = 4'000, FEW = 16;      // these stay in the caches by themselves

    /// Where a command leads, as far as it is known.
    struct Way {
        std::uint8_t kind = CLOCK;
        std::uint32_t place = NIL;  // of the order to cancel
        const Seat* seat = nullptr;
    };

    template <typename Slot>
    Slot slot(std::size_t at, std::size_t offset) const noexcept {
        Slot value;  // the records need not be aligned
        std::memcpy(&value, commands_.data() + at + offset, sizeof value);
        return value;
    }

    Way& way(std::size_t at) noexcept { return ways_[at / sizeof(Command) % ways_.size()]; }

    void find(std::size_t at) noexcept {
        Way& way = this->way(at);
        way = {slot<std::uint8_t>(at, offsetof(Command, kind))};
        if (way.kind == CANCEL) venue_.index.prefetch(slot<std::uint64_t>(at, offsetof(Command, e)));
        if (!names_seat(way)) return;
        const std::uint16_t number = slot<std::uint16_t>(at, offsetof(Command, instrument));
        venue_.prefetch_seat(slot<std::uint32_t>(at, offsetof(Command, account)), number);
        const Instrument* instrument = venue_.instrument(number);
        if (is_wide_ && instrument != nullptr) prefetch_whole(*instrument);
    }

    void open(std::size_t at) noexcept {
        Way& way = this->way(at);
        if (way.kind == CANCEL) {
            way.place = venue_.index.find(slot<std::uint64_t>(at, offsetof(Command, e)));
            if (way.place != NIL) prefetch_whole(venue_.orders[way.place]);
        }
        if (names_seat(way)) {
            way.seat = venue_.find_seat(slot<std::uint32_t>(at, offsetof(Command, account)),
                                        slot<std::uint16_t>(at, offsetof(Command, instrument)));
            if (way.seat != nullptr) prefetch_whole(*way.seat);
        }
        if (way.kind == PLACE) {
            venue_.orders.prefetch_next(SECOND);
            const Instrument* instrument = venue_.instrument(slot<std::uint16_t>(at, offsetof(Command, instrument)));
            if (is_wide_ && instrument != nullptr)
                instrument->side(slot<std::uint8_t>(at, offsetof(Command, side)))
                    .prefetch_page(slot<std::int64_t>(at, offsetof(Command, a)));
        }
    }

    void reach(std::size_t at) noexcept {
        Way& way = this->way(at);
        std::uint8_t side = slot<std::uint8_t>(at, offsetof(Command, side));
        if (way.place != NIL) {
            const Order& order = venue_.orders[way.place];
            for (const std::uint32_t near : {order.level_before, order.level_after, order.account_before, order.account_after})
                if (near != NIL) prefetch(&venue_.orders[near].level_before);
            if (!is_wide_) way.seat = order.seat;
            side = order.side;
        }
        if (way.seat == nullptr) return;
        prefetch_whole(side == BUY ? *way.seat->cash : *way.seat->tokens);
        prefetch(way.seat->exposure);
        if (way.place != NIL && is_wide_) {
            way.seat->instrument->side(side).prefetch_page(venue_.orders[way.place].price_ticks);
        } else {
            way.seat->instrument->side(side).prefetch(price_of(way, at));
        }
    }

    /// The level of an order to cancel; the last order at the price where one will rest.
    void touch(std::size_t at) noexcept {
        const Way& way = this->way(at);
        if (way.seat == nullptr) return;
        if (way.kind == CANCEL) {
            if (way.place != NIL && is_wide_)
                way.seat->instrument->side(venue_.orders[way.place].side).prefetch(price_of(way, at));
            return;
        }
        const std::uint8_t side = slot<std::uint8_t>(at, offsetof(Command, side));
        const std::uint32_t last = way.seat->instrument->side(side).last_at(price_of(way, at));
        if (last != NIL) prefetch(&venue_.orders[last].level_after);
    }

    std::int64_t price_of(const Way& way, std::size_t at) const noexcept {
        return way.place != NIL ? venue_.orders[way.place].price_ticks : slot<std::int64_t>(at, offsetof(Command, a));
    }

    /// Whether its seat is looked up; that of an order to cancel only where instruments are many, as the order knows it, too.
    bool names_seat(const Way& way) const noexcept { return way.kind == PLACE || (way.kind == CANCEL && is_wide_); }

    Venue& venue_;
    std::string_view commands_;
    bool is_wide_;  // many instruments
    bool is_worth_it_;
    std::array<Way, 16> ways_;
};

}  // namespace deedbook
