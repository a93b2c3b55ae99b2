// The call auction: at which one price most of what rests would trade, and that it does.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <tuple>
#include <utility>
#include <vector>

#include "matching.hpp"
#include "venue.hpp"

namespace deedbook {

/// Zeros where nothing crosses. The imbalance is of the orders that would trade at the price: buys less sells.
struct Crossing {
    std::int64_t price_ticks = 0, volume_lots = 0, imbalance_lots = 0;
};

class Auction {
public:
    explicit Auction(Venue& venue) noexcept : venue_(venue) {}

    /// All that can trade at one price does, each side by price and time; the book is not crossed after it.
    void uncross(Instrument& instrument) {
        const Crossing found = crossing(instrument);
        tell(EventKind::AUCTION, instrument, found);
        for (std::int64_t open_lots = found.volume_lots; open_lots != 0;) {
            const std::uint32_t buy = instrument.bids.first_at(instrument.bids.best());
            const std::uint32_t sell = instrument.asks.first_at(instrument.asks.best());
            const std::int64_t lots =
                std::min({open_lots, venue_.orders[buy].open_lots, venue_.orders[sell].open_lots});
            fill_in_auction(venue_, buy, sell, found.price_ticks, lots);
            open_lots -= lots;
        }
        if (found.volume_lots != 0) {
            instrument.reference_ticks = found.price_ticks;
            for (BookSide* side : {&instrument.bids, &instrument.asks})
                if (const std::int64_t best = side->best(); best != 0)
                    venue_.replenish(side->first_at(best));  // the only one that may have traded in part
        }
        require(!instrument.is_crossed(), "a book is crossed after its uncross");
    }

    void tell_indicative(Instrument& instrument) {
        tell(EventKind::INDICATIVE, instrument, crossing(instrument)).d = instrument.phase_ends_ns;
    }

    /// An order that crosses the book comes into a call. Its mode is carried out on all own orders that it crosses.
    ///
    /// So that no two of one owner meet in the uncross whose younger one forbids it, and the price counts on no such pair.
    /// Returns why the order may not stay.
    Reason prevent_self_trade(Order& order) {
        if (order.self_trade == NO_PREVENTION) return Reason::NONE;
        own_.clear();
        for (const Seat* seat : order.seat->exposure->seats)
            if (seat->open_orders != 0) collect_crossed(*seat, order);
        std::sort(own_.begin(), own_.end());
        if (order.self_trade == DECREMENT) return decrement_with_own(order);
        if (order.self_trade != EXPIRE_TAKER) {
            for (const auto& [rank, place] : own_) venue_.close(place, Reason::SELF_TRADE);
        }
        return own_.empty() || order.self_trade == EXPIRE_MAKER ? Reason::NONE : Reason::SELF_TRADE;
    }

private:
    Reason decrement_with_own(Order& order) {
        for (const auto& [order_id, place] : own_) {
            const std::int64_t lots = std::min(order.open_lots, venue_.orders[place].open_lots);
            const Reason reason = decrement(venue_, order, place, lots);
            if (reason != Reason::NONE) return reason;
        }
        return Reason::NONE;
    }

    using Depth = std::vector<std::pair<std::int64_t, std::int64_t>>;  // price and lots of levels

    /// The price of the largest volume, then least imbalance, then nearest the reference, then the lower.
    ///
    /// One walk upwards over the levels between the best ask and the best bid. Between two prices at which supply or
    /// demand changes all ticks trade the same, so of each such stretch only the tick nearest the reference counts.
    Crossing crossing(Instrument& instrument) {
        if (!instrument.is_crossed()) return {};
        const std::int64_t reference = instrument.market_price_ticks(), highest = instrument.bids.best();
        Wide demand = take_depth(instrument.bids, instrument.asks.best(), demand_), supply = 0;
        take_depth(instrument.asks, highest, supply_);
        std::reverse(supply_.begin(), supply_.end());
        Crossing found;
        std::tuple<Wide, Wide, std::int64_t> found_key{0, 0, 0};
        for (std::int64_t low = instrument.asks.best(); low <= highest;) {
            if (!supply_.empty() && supply_.back().first == low) supply += pop(supply_);
            std::int64_t high = demand_.back().first;
            if (!supply_.empty() && supply_.back().first <= high) high = supply_.back().first - 1;
            const std::int64_t price = std::min(std::max(reference, low), high);
            const Wide volume = std::min(demand, supply), imbalance = demand - supply;
            const std::tuple key{volume, imbalance < 0 ? imbalance : -imbalance, -std::abs(price - reference)};
            if (key > found_key) {  // a later one that is as good is dearer
                found = {price, fitting(volume), fitting(imbalance)};
                found_key = key;
            }
            if (imbalance <= 0) break;  // further up there is only less to buy and more to sell
            if (high == demand_.back().first) demand -= pop(demand_);
            low = high + 1;
        }
        return found;
    }

    /// Fills `levels`, best first, and returns their sum.
    static Wide take_depth(BookSide& side, std::int64_t limit_ticks, Depth& levels) {
        Wide sum = 0;
        levels.clear();
        side.depth(limit_ticks, [&](std::int64_t price_ticks, std::int64_t lots) {
            levels.emplace_back(price_ticks, lots);
            sum += lots;
        });
        return sum;
    }

    static std::int64_t pop(Depth& levels) noexcept {
        const std::int64_t lots = levels.back().second;
        levels.pop_back();
        return lots;
    }

    static std::int64_t fitting(Wide lots) {
        require(lots >= std::numeric_limits<std::int64_t>::min() && lots <= std::numeric_limits<std::int64_t>::max(),
                "an amount leaves the records");
        return static_cast<std::int64_t>(lots);
    }

    Event& tell(EventKind kind, const Instrument& instrument, const Crossing& found) {
        Event& event = venue_.tell(kind, instrument.number, 0);
        event.a = found.price_ticks;
        event.b = found.volume_lots;
        event.c = found.imbalance_lots;
        event.flags = instrument.phase;
        return event;
    }

    void collect_crossed(const Seat& seat, const Order& order) {
        for (std::uint32_t at = seat.account->orders_first; at != NIL; at = venue_.orders[at].account_after) {
            const Order& own = venue_.orders[at];
            if (own.seat == &seat && own.crosses(order) && !venue_.waits(own)) own_.emplace_back(venue_.rank_of(own), at);
        }
    }

    Venue& venue_;
    Depth demand_, supply_;                                      // of the walk at hand, kept for their room
    std::vector<std::pair<std::uint64_t, std::uint32_t>> own_;  // likewise: rank and place
};

}  // namespace deedbook
