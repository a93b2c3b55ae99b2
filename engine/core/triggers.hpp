// Orders that come to the market by themselves: stops, and legs of a list whose working leg is filled.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "admission.hpp"
#include "lists.hpp"
#include "trading.hpp"
#include "venue.hpp"

namespace deedbook {

class Triggers {
public:
    Triggers(Venue& venue, Trading& trading) noexcept : venue_(venue), trading_(trading) {}

    /// Legs whose working one is filled, then the next stop that the last price has reached, until none is left.
    void run() {
        if (!venue_.filled_lists.empty()) place_legs();
        if (venue_.stirred.empty()) return;
        for (const std::uint16_t number : venue_.stirred) {
            Instrument& instrument = *venue_.instruments[number];
            while (venue_.is_trading(instrument)) {
                const std::uint64_t order_id = instrument.stops.reached(instrument.last_price_ticks);
                if (order_id == 0) break;
                trigger(venue_.index.find(order_id));
                place_legs();
            }
        }
        venue_.stirred.clear();
    }

private:
    /// It comes to the market as if it were placed now: at today's rates, and behind all that are there.
    void trigger(std::uint32_t place) {
        Order& order = venue_.orders[place];
        venue_.prevail(order);
        venue_.free_hold(order);
        venue_.take_out(place);
        venue_.extras[order.extra].waits = false;
        const std::int64_t hold = at_todays_rates(order);
        queue(order);
        const Balance& balance = order.side == BUY ? *order.seat->cash : *order.seat->tokens;
        trading_.enter(place, balance.free < hold ? Reason::COVER_LOST : Reason::NONE);
    }

    void queue(const Order& order) noexcept { venue_.extras[order.extra].rank = trading_.next_order_id(); }

    /// Returns what it must have free.
    static std::int64_t at_todays_rates(Order& order) noexcept {
        const Instrument& instrument = *order.seat->instrument;
        order.maker_fee_bps = static_cast<std::uint16_t>(instrument.maker_fee_bps);
        order.hold_fee_bps = static_cast<std::uint16_t>(std::max(instrument.maker_fee_bps, instrument.taker_fee_bps));
        return order.hold_for(order.open_lots);
    }

    void place_legs() {
        for (std::size_t at = 0; at < venue_.filled_lists.size(); ++at) {  // what is placed may fill more
            OrderList& list = venue_.lists.at(venue_.filled_lists[at]);
            Reason reason = Reason::NONE;
            for (std::uint8_t leg = 0; leg < list.pending_count && reason == Reason::NONE; ++leg)
                reason = why_not(venue_.orders[list.pending[leg]]);
            if (reason != Reason::NONE) {
                venue_.end_all_pending(list, reason);
            } else {
                place(list);
            }
        }
        venue_.filled_lists.clear();
    }

    /// Why a leg cannot be placed as the market and its account stand now.
    Reason why_not(Order& leg) {
        const Seat& seat = *leg.seat;
        if (permission_refusal(venue_, seat, leg.side) != Reason::NONE) return Reason::PERMISSION_LOST;
        if (leg.order_type == LIMIT_MAKER && seat.instrument->opposite(leg.side).reaches(leg.price_ticks))
            return Reason::LIST_ENDED;
        Wide hold = at_todays_rates(leg), notional = Wide{leg.open_lots} * leg.usdc_micros_per_lot();
        if (leg.order_type == MARKET) {
            const std::optional<MarketTerms> terms = terms_of(leg);
            if (!terms) return Reason::NONE;
            hold = terms->hold;
            notional = terms->notional;
        }
        const bool lacks = is_locked_up(seat, leg.side, hold) ||
                           limit_reached(venue_, seat, leg.side, leg.open_lots, notional) != Reason::NONE ||
                           cover_refusal(seat, leg.side, leg.open_lots, hold) != Reason::NONE;
        return lacks ? Reason::COVER_LOST : Reason::NONE;
    }

    /// Nothing where a market order meets nobody.
    std::optional<MarketTerms> terms_of(const Order& leg) const noexcept {
        Instrument& instrument = *leg.seat->instrument;
        if (!venue_.is_trading(instrument)) return std::nullopt;
        return market_terms(instrument, leg.side, leg.open_lots, 0);
    }

    void place(OrderList& list) {
        const OrderList placed = list;  // its legs may end it
        list.pending_count = 0;
        list.seat->open_orders -= placed.pending_count;
        for (std::uint8_t leg = 0; leg < placed.pending_count; ++leg) {
            const std::uint32_t place = placed.pending[leg];
            Order& order = venue_.orders[place];
            queue(order);
            if (order.order_type == MARKET) {
                trading_.enter_market(place, terms_of(order), 0);
            } else {
                trading_.enter(place, Reason::NONE);
            }
        }
        venue_.stir(*placed.seat->instrument);
    }

    Venue& venue_;
    Trading& trading_;
};

}  // namespace deedbook
