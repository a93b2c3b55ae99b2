// In a sweep each maker is met once, far from the last in memory: ask for those to come while filling; changes nothing.
#pragma once

#include <array>
#include <cstdint>

#include "book.hpp"
#include "prefetch.hpp"

namespace deedbook {

/// What one incoming order is about to meet. A maker names only the next at its price, so a long walk looks ahead at
/// several prices in turn: what was asked for at one is there when its turn comes again.
template <typename Market, typename Maker>
class Outlook {
public:
    Outlook(const Market& market, BookSide& opposite) noexcept : market_(market), opposite_(opposite) { at_.fill(NIL); }

    /// Before a maker is filled, and there will be one after it.
    void meet(const Maker& maker) noexcept {
        look_behind(maker);
        if (++met_ < MANY) return;
        if (met_ == MANY) price_ticks_ = maker.price_ticks;
        for (unsigned step = 0; step < 2 && seen_ < met_ + AHEAD; ++step) look_on();
    }

private:
    static constexpr std::uint32_t MANY = 16, AHEAD = 512;  // makers
    static constexpr std::size_t PRICES = 8;                // at a time

    void look_behind(const Maker& maker) const noexcept {
        if (maker.level_after == NIL) return;
        const Maker& next = market_.orders[maker.level_after];
        expect(market_, next);
        if (next.level_after != NIL) prefetch_whole(market_.orders[next.level_after]);
    }

    /// One maker further at the price whose turn it is, or to the next price.
    void look_on() noexcept {
        std::uint32_t& at = at_[turn_++ % PRICES];
        if (at != NIL) {
            ++seen_;
            expect(market_, market_.orders[at]);
            at = market_.orders[at].level_after;
        } else if (price_ticks_ != 0) {
            price_ticks_ = opposite_.next_price(price_ticks_);
            if (price_ticks_ != 0) at = opposite_.first_at(price_ticks_);
        }
        if (at != NIL) prefetch_whole(market_.orders[at]);
    }

    const Market& market_;
    BookSide& opposite_;
    std::uint32_t met_ = 0, seen_ = 0, turn_ = 0;
    std::int64_t price_ticks_ = 0;         // the last one that was begun; 0: there is no other
    std::array<std::uint32_t, PRICES> at_;  // makers asked for and not yet seen
};

}  // namespace deedbook
