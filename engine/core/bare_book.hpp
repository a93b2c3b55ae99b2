// One book without accounts, permissions and fees: what the match by itself costs (`python -m bench engine`).
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "book.hpp"
#include "broken_rule.hpp"
#include "matching.hpp"
#include "pool.hpp"

namespace deedbook {

struct alignas(32) BareOrder {
    std::int64_t price_ticks, open_lots;
    std::uint64_t order_id : 63, side : 1;
    std::uint32_t level_before, level_after;  // at the same price
};
static_assert(sizeof(BareOrder) == 32);

/// A limit order, or a cancel of the order whose id stands in `qty_lots`.
struct BareCommand {
    std::int64_t price_ticks, qty_lots;
    std::uint8_t is_cancel, side, rests;
    std::array<std::uint8_t, 5> zero;
};
static_assert(sizeof(BareCommand) == 24);

struct BareFill {
    std::uint64_t maker_order_id, taker_order_id;
    std::int64_t price_ticks, lots;
};
static_assert(sizeof(BareFill) == 32);

/// Orders are numbered from 1 as they come. The fills stand until the next call.
class BareBook {
public:
    Pool<BareOrder> orders;
    OrderIndex index;
    std::vector<BareFill> fills;

    BookSide& side(std::uint8_t side) noexcept { return side == BUY ? bids_ : asks_; }

    /// Throws BrokenRule for bytes that are no commands.
    std::string_view apply(std::string_view commands) {
        require(commands.size() % sizeof(BareCommand) == 0, "no whole number of commands");
        fills.clear();
        for (std::size_t at = 0; at < commands.size(); at += sizeof(BareCommand)) {
            look_ahead(commands, at);
            const BareCommand command = command_at(commands, at);
            if (command.is_cancel) {
                cancel(static_cast<std::uint64_t>(command.qty_lots));
            } else {
                place(command);
            }
        }
        return {reinterpret_cast<const char*>(fills.data()), fills.size() * sizeof(BareFill)};
    }

    void unrest(std::uint32_t place) noexcept {
        const BareOrder& order = orders[place];
        side(order.side).remove(orders, place);
        index.erase(order.order_id);
        orders.give_back(place);
    }

private:
    static constexpr std::size_t FIRST = 8 * sizeof(BareCommand), SECOND = 4 * sizeof(BareCommand);

    static BareCommand command_at(std::string_view commands, std::size_t at) noexcept {
        BareCommand command;
        std::memcpy(&command, commands.data() + at, sizeof command);
        return command;
    }

    /// As lookahead.hpp does for the whole engine: first the place of an order to cancel, then the order.
    void look_ahead(std::string_view commands, std::size_t at) const noexcept {
        if (at + FIRST >= commands.size()) return;
        if (const BareCommand next = command_at(commands, at + FIRST); next.is_cancel)
            index.prefetch(static_cast<std::uint64_t>(next.qty_lots));
        if (const BareCommand next = command_at(commands, at + SECOND); next.is_cancel) {
            const std::uint32_t place = index.find(static_cast<std::uint64_t>(next.qty_lots));
            if (place != NIL) prefetch_whole(orders[place]);
        }
    }

    void place(const BareCommand& command);

    void cancel(std::uint64_t order_id) noexcept {
        if (const std::uint32_t place = index.find(order_id); place != NIL) unrest(place);
    }

    BookSide bids_{BUY}, asks_{SELL};
    std::uint64_t last_order_id_ = 0;
};

inline BookSide& opposite_of(BareBook& book, const BareOrder& taker) noexcept { return book.side(taker.side ^ 1); }
inline std::int64_t tick_value_of(const BareBook&, const BareOrder&) noexcept { return 1; }
inline std::int64_t limit_within(const BareBook&, const BareOrder& order) noexcept { return order.price_ticks; }
inline std::int64_t shown_lots(const BareBook&, const BareOrder& order) noexcept { return order.open_lots; }
inline bool is_prevented(const BareOrder&, const BareOrder&) noexcept { return false; }
inline Reason prevent(BareBook&, const BareOrder&, std::uint32_t, std::int64_t) noexcept { return Reason::NONE; }

inline void expect(const BareBook& book, const BareOrder& maker) noexcept { book.index.prefetch(maker.order_id); }

inline void fill(BareBook& book, BareOrder& taker, std::uint32_t maker_place, std::int64_t lots, std::int64_t) {
    BareOrder& maker = book.orders[maker_place];
    book.side(maker.side).reduce(maker.price_ticks, lots);
    maker.open_lots -= lots;
    taker.open_lots -= lots;
    book.fills.push_back({maker.order_id, taker.order_id, maker.price_ticks, lots});
    if (maker.open_lots == 0) book.unrest(maker_place);
}

inline void BareBook::place(const BareCommand& command) {
    BareOrder taker{command.price_ticks, command.qty_lots, ++last_order_id_, command.side, NIL, NIL};
    match(*this, taker, -1);
    if (taker.open_lots == 0 || !command.rests) return;
    const std::uint32_t at = orders.take();
    orders[at] = taker;
    side(command.side).add(orders, at);
    index.insert(last_order_id_, at);
}

}  // namespace deedbook
