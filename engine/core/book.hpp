// One instrument's order book: price levels, first come first served within each.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "accounts.hpp"
#include "levels.hpp"
#include "pool.hpp"
#include "prefetch.hpp"
#include "wire.hpp"

namespace deedbook {

/// `product` / 10,000, floored; not negative. Nearly all fit 64 bits, where a division is a multiplication.
inline Wide per_basis_point(Wide product) noexcept {
    if (product <= UINT64_MAX) [[likely]] return static_cast<std::uint64_t>(product) / std::uint64_t{BASIS_POINTS};
    return product / BASIS_POINTS;
}

/// The fee in micros on a notional, floored or ceiled.
inline std::int64_t fee_floor(std::int64_t notional, std::int64_t bps) noexcept {
    return static_cast<std::int64_t>(per_basis_point(Wide{notional} * bps));
}

inline std::int64_t fee_ceil(std::int64_t notional, std::int64_t bps) noexcept {
    return static_cast<std::int64_t>(per_basis_point(Wide{notional} * bps + BASIS_POINTS - 1));
}

/// An open order; it keeps the fee rates it was accepted with. A million of them fill the caches, so every byte counts.
struct alignas(32) Order {
    std::int64_t price_ticks, qty_lots, open_lots, executed_usdc_micros;
    std::uint64_t order_id;
    Seat* seat;
    std::uint32_t level_before, level_after;      // at the same price
    std::uint32_t account_before, account_after;  // of the same account, by age
    std::int64_t expire_time_ns, time_ns;
    std::uint16_t maker_fee_bps, hold_fee_bps;  // the higher of the two rates
    std::uint8_t side, order_type, time_in_force, self_trade;
    std::uint32_t client_id;  // its number in ClientIds; NIL: it has none
    std::uint32_t extra;      // its number among the Extras; NIL: it has none

    std::int64_t usdc_micros_per_lot() const noexcept { return price_ticks * seat->tick_value_usdc_micros; }

    /// What `lots` of it must have held: USDC micros with the fee rounded up (buy), or lots (sell).
    std::int64_t hold_for(std::int64_t lots) const noexcept {
        if (side != BUY) return lots;
        const std::int64_t notional = lots * usdc_micros_per_lot();
        return notional + fee_ceil(notional, hold_fee_bps);
    }

    /// Whether the two could trade with each other.
    bool crosses(const Order& other) const noexcept {
        if (side == other.side) return false;
        return side == BUY ? price_ticks >= other.price_ticks : other.price_ticks >= price_ticks;
    }
};

static_assert(sizeof(Order) == 96);

using Orders = Pool<Order>;

/// What few orders have: stops, icebergs and legs of lists.
struct Extra {
    std::uint64_t rank;                      // its place in the queue: its order's id, or a later one; 0: pending
    std::int64_t stop_ticks;                 // 0: it is no stop
    std::int64_t display_lots, hidden_lots;  // 0: it is no iceberg; of the open ones, where it rests
    std::uint64_t list_id;                   // 0: it is no leg
    bool waits;                              // it is a stop whose price has not been reached, and so in no book
};

using Extras = Pool<Extra>;

/// The bids or the asks. Of an order it knows price, open lots and its neighbours at the same price.
class BookSide {
public:
    explicit BookSide(std::uint8_t side) noexcept : sign_(side == BUY ? -1 : 1) {}

    /// The best price in ticks, 0 when empty.
    std::int64_t best() const noexcept {
        const std::int64_t key = levels_.first_key();
        return key == Levels::NO_KEY ? 0 : key * sign_;
    }

    /// The next price after one, 0 where there is none.
    std::int64_t next_price(std::int64_t price_ticks) const noexcept {
        const std::int64_t key = levels_.next_key(price_ticks * sign_);
        return key == Levels::NO_KEY ? 0 : key * sign_;
    }

    /// Whether an incoming order with this limit would trade with the best of this side.
    bool reaches(std::int64_t limit_ticks) const noexcept {
        const std::int64_t key = levels_.first_key();
        return key != Levels::NO_KEY && key <= limit_ticks * sign_;
    }

    /// For any number: it may be a price that will be refused.
    void prefetch(std::int64_t price_ticks) const noexcept {
        if (price_ticks > 0) levels_.prefetch(price_ticks * sign_);
    }

    /// Where the level of such a price is found.
    void prefetch_page(std::int64_t price_ticks) const noexcept {
        if (price_ticks > 0) levels_.prefetch_page(price_ticks * sign_);
    }

    /// The last order at a price, NIL where none is; for any number.
    std::uint32_t last_at(std::int64_t price_ticks) const noexcept {
        return price_ticks > 0 ? levels_.last_near(price_ticks * sign_) : NIL;
    }

    std::uint32_t first_at(std::int64_t price_ticks) noexcept { return levels_.at(price_ticks * sign_).first; }

    /// Of an order at this price; one without any left is removed after it.
    void reduce(std::int64_t price_ticks, std::int64_t lots) noexcept { levels_.at(price_ticks * sign_).lots -= lots; }

    /// Calls `visit(price, lots)` for each level that an incoming order with this limit would trade with, best first.
    template <typename Visit>
    void depth(std::int64_t limit_ticks, Visit visit) {
        for (std::int64_t key = levels_.first_key(); key != Levels::NO_KEY && key <= limit_ticks * sign_;
             key = levels_.next_key(key))
            visit(key * sign_, levels_.at(key).lots);
    }

    /// Calls `visit(place)` for each order, as they would fill.
    template <typename Visit>
    void each(const Orders& orders, Visit visit) {
        for (std::int64_t key = levels_.first_key(); key != Levels::NO_KEY; key = levels_.next_key(key))
            for (std::uint32_t at = levels_.at(key).first; at != NIL; at = orders[at].level_after) visit(at);
    }

    template <typename Each>
    void add(Pool<Each>& orders, std::uint32_t number) {
        Each& order = orders[number];
        Level& level = levels_.open(order.price_ticks * sign_);
        order.level_before = level.last;
        order.level_after = NIL;
        if (level.last == NIL) {
            level.first = number;
        } else {
            orders[level.last].level_after = number;
        }
        level.last = number;
        deedbook::add(level.lots, order.open_lots);
    }

    template <typename Each>
    void remove(Pool<Each>& orders, std::uint32_t number) noexcept {
        const Each& order = orders[number];
        Level& level = levels_.at(order.price_ticks * sign_);
        level.lots -= order.open_lots;
        if (order.level_before == NIL) {
            level.first = order.level_after;
        } else {
            orders[order.level_before].level_after = order.level_after;
        }
        if (order.level_after == NIL) {
            level.last = order.level_before;
        } else {
            orders[order.level_after].level_before = order.level_before;
        }
        if (level.is_empty()) levels_.close(order.price_ticks * sign_);
    }

    /// Behind the others at its price.
    void move_back(Orders& orders, std::uint32_t number) noexcept {
        Order& order = orders[number];
        Level& level = levels_.at(order.price_ticks * sign_);
        if (order.level_after == NIL) return;
        if (order.level_before == NIL) {
            level.first = order.level_after;
        } else {
            orders[order.level_before].level_after = order.level_after;
        }
        orders[order.level_after].level_before = order.level_before;
        orders[level.last].level_after = number;
        order.level_before = level.last;
        order.level_after = NIL;
        level.last = number;
    }

    /// How many lots an order of `owner` could take up to its limit; counts no further than enough.
    std::int64_t fillable_lots(const Orders& orders, const Extras& extras, std::int64_t limit_ticks, std::uint32_t owner,
                               std::uint8_t self_trade, std::int64_t enough_lots) noexcept {
        std::int64_t lots = 0;
        for (std::int64_t key = levels_.first_key(); key != Levels::NO_KEY && key <= limit_ticks * sign_;
             key = levels_.next_key(key)) {
            std::int64_t hidden_lots = 0;
            for (std::uint32_t at = levels_.at(key).first; at != NIL; at = orders[at].level_after) {
                if (lots >= enough_lots) return lots;
                const Order& maker = orders[at];
                if (self_trade != NO_PREVENTION && maker.seat->account->owner == owner) {
                    if (self_trade != EXPIRE_MAKER) return lots;  // what is hidden before it comes up behind it
                    continue;
                }
                const std::int64_t hidden = maker.extra == NIL ? 0 : extras[maker.extra].hidden_lots;
                lots += maker.open_lots - hidden;
                hidden_lots += hidden;
            }
            lots += hidden_lots;
        }
        return lots;
    }

private:
    std::int64_t sign_;
    Levels levels_;
};

/// From an order's id to its place in the pool. Ids are dense, so pages of them; a page without open orders is given back.
class OrderIndex {
public:
    std::uint32_t find(std::uint64_t order_id) const noexcept {
        const std::uint64_t page = order_id / PAGE;
        return page < pages_.size() && pages_[page] ? pages_[page]->places[order_id % PAGE] : NIL;
    }

    void prefetch(std::uint64_t order_id) const noexcept {
        const std::uint64_t page = order_id / PAGE;
        if (page < pages_.size() && pages_[page]) deedbook::prefetch(&pages_[page]->places[order_id % PAGE]);
    }

    void insert(std::uint64_t order_id, std::uint32_t place) {
        const std::uint64_t page = order_id / PAGE;
        if (page >= pages_.size()) pages_.resize(page + 1);
        if (!pages_[page]) pages_[page] = std::make_unique<Page>();
        pages_[page]->places[order_id % PAGE] = place;
        ++pages_[page]->count;
        ++count_;
    }

    void erase(std::uint64_t order_id) noexcept {
        std::unique_ptr<Page>& page = pages_[order_id / PAGE];
        page->places[order_id % PAGE] = NIL;
        --count_;
        if (--page->count == 0 && order_id / PAGE + 1 < pages_.size()) page.reset();
    }

    std::size_t count() const noexcept { return count_; }

    /// Calls `visit(place)` for every open order, oldest first.
    template <typename Visit>
    void each(Visit visit) const {
        for (const auto& page : pages_)
            if (page)
                for (const std::uint32_t place : page->places)
                    if (place != NIL) visit(place);
    }

private:
    static constexpr std::uint64_t PAGE = 4096;

    struct Page {
        Page() noexcept { places.fill(NIL); }
        std::array<std::uint32_t, PAGE> places;
        std::uint32_t count = 0;
    };

    std::vector<std::unique_ptr<Page>> pages_;
    std::size_t count_ = 0;
};

}  // namespace deedbook
