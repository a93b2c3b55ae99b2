// What traders send: place, cancel, amend, replace, cancel-all.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "admission.hpp"
#include "auction.hpp"
#include "matching.hpp"
#include "venue.hpp"

namespace deedbook {

class Trading {
public:
    Trading(Venue& venue, Auction& auction) noexcept : venue_(venue), auction_(auction) {}

    void place(const Command& command) {
        Instrument* instrument = venue_.instrument(command.instrument);
        if (instrument == nullptr) return refuse(Reason::UNKNOWN_INSTRUMENT, command);
        Account* account = venue_.account(command.account);
        if (account == nullptr) return refuse(Reason::UNKNOWN_ACCOUNT, command);
        if (!is_well_formed(command)) return refuse(Reason::ORDER_MALFORMED, command);
        Seat& seat = venue_.seat(*account, *instrument);
        if (command.order_type == MARKET) return place_market(command, seat);
        const std::int64_t price_ticks = limit_ticks(*instrument, command);
        const Reason reason = limit_refusal(venue_, seat, command, price_ticks);
        if (reason != Reason::NONE) return refuse(reason, command);
        // From here on the order is ours; nothing below may refuse it.
        enter(accept(command, seat, next_order_id(), price_ticks, command.b, 0), Reason::NONE);
    }

    void cancel(const Command& command) {
        const Found found = find_to_cancel(command);
        if (found.place == NIL) return refuse(found.reason, command);
        venue_.close(found.place, Reason::CANCELLED);
    }

    /// Less quantity, same place in the queue; of an iceberg first what is not shown.
    void amend(const Command& command) {
        Found found = find(command);
        const std::int64_t qty_lots = command.b;
        if (qty_lots <= 0 && found.reason != Reason::UNKNOWN_INSTRUMENT && found.reason != Reason::UNKNOWN_ACCOUNT)
            found.reason = Reason::QTY_NOT_POSITIVE;
        else if (found.place != NIL && venue_.list_id_of(venue_.orders[found.place]) != 0)
            found.reason = Reason::LIST_MALFORMED;
        else if (found.place != NIL && !is_reduction(venue_.orders[found.place], qty_lots))
            found.reason = Reason::QTY_NOT_REDUCED;
        else if (found.place != NIL && halted(venue_, *venue_.orders[found.place].seat->instrument))
            found.reason = Reason::INSTRUMENT_HALTED;
        if (found.reason != Reason::NONE) return refuse_plainly(found.reason, command);
        reduce(venue_.orders[found.place], qty_lots);
    }

    void replace(const Command& command) {
        const Found found = find_to_cancel(command);
        if (found.place == NIL) {
            refuse_plainly(found.reason, command);
            if (command.flags == 0) return;
        } else {
            venue_.close(found.place, Reason::CANCELLED_REPLACED);
        }
        place(command);
    }

    void cancel_all(const Command& command) {
        Instrument* instrument = venue_.instrument(command.instrument);
        if (command.instrument != VENUE && instrument == nullptr)
            return refuse_plainly(Reason::UNKNOWN_INSTRUMENT, command);
        Account* account = venue_.account(command.account);
        if (account == nullptr) return refuse_plainly(Reason::UNKNOWN_ACCOUNT, command);
        if (instrument != nullptr && halted(venue_, *instrument)) return refuse_plainly(Reason::INSTRUMENT_HALTED, command);
        for (std::uint32_t at = account->orders_first; at != NIL;) {
            const Order& order = venue_.orders[at];
            const std::uint32_t after = venue_.next_if_closed(at, false);
            Instrument& of = *order.seat->instrument;
            if ((instrument == nullptr || instrument == &of) && !halted(venue_, of)) venue_.close(at, Reason::CANCELLED);
            at = after;
        }
        venue_.applied(command.account, command.instrument);
    }

    // -- what lists and triggers share

    std::uint64_t next_order_id() noexcept { return static_cast<std::uint64_t>(++venue_.last_order_id); }

    /// A limit order or a stop at today's rates; its client id is taken from here on. `list_id` 0: it is no leg.
    std::uint32_t accept(const Command& command, Seat& seat, std::uint64_t order_id, std::int64_t price_ticks,
                         std::int64_t qty_lots, std::uint64_t list_id) {
        const Instrument& instrument = *seat.instrument;
        const std::uint32_t place = venue_.orders.take();
        Order& order = venue_.orders[place];
        order = Order{
            .price_ticks = price_ticks,
            .qty_lots = qty_lots,
            .open_lots = qty_lots,
            .executed_usdc_micros = 0,
            .order_id = order_id,
            .seat = &seat,
            .level_before = NIL,
            .level_after = NIL,
            .account_before = NIL,
            .account_after = NIL,
            .expire_time_ns = command.d,
            .time_ns = venue_.time_ns,
            .maker_fee_bps = static_cast<std::uint16_t>(instrument.maker_fee_bps),
            .hold_fee_bps = static_cast<std::uint16_t>(std::max(instrument.maker_fee_bps, instrument.taker_fee_bps)),
            .side = command.side,
            .order_type = command.order_type,
            .time_in_force = command.time_in_force,
            .self_trade = command.self_trade,
            .client_id = NIL,
            .extra = NIL,
        };
        if (!is_no_id(command.text))
            order.client_id = venue_.client_ids.insert(seat.account->number, command.text, order_id);
        if ((command.f | command.g) != 0 || list_id != 0) {
            order.extra = venue_.extras.take();
            venue_.extras[order.extra] = {order_id, command.f, command.g, 0, list_id, command.f != 0};
        }
        return place;
    }

    /// It comes to the market, and what is left of it rests, waits or closes.
    void enter(std::uint32_t place, Reason stopped) {
        Order& order = venue_.orders[place];
        const std::size_t accepted = reserve_accepted();
        if (stopped == Reason::NONE && !venue_.waits(order) &&
            order.seat->instrument->opposite(order.side).reaches(order.price_ticks))
            stopped = meet_book(order);
        finish(place, accepted, stopped);
    }

    void enter_market(std::uint32_t place, const std::optional<MarketTerms>& terms, std::int64_t quote_usdc_micros) {
        Order& order = venue_.orders[place];
        const std::size_t accepted = reserve_accepted();
        Reason stopped = Reason::NONE;
        if (terms) {
            order.price_ticks = terms->limit_ticks;
            stopped = match_exposed(order, quote_usdc_micros != 0 ? quote_usdc_micros : -1);
        }
        finish_market(order, accepted, stopped, quote_usdc_micros != 0);
        venue_.give_back(place);
    }

    /// A client id in use is told with the first order that had it.
    void refuse(Reason reason, const Command& command) { refuse(reason, command, command.text); }

    void refuse(Reason reason, const Command& command, const Text& client_order_id) {
        std::uint64_t first = 0;
        if (reason == Reason::CLIENT_ORDER_ID_IN_USE) first = venue_.client_ids.find(command.account, client_order_id);
        venue_.reject(reason, command.instrument, command.account, static_cast<std::int64_t>(first));
    }

private:
    struct Found {
        std::uint32_t place;  // NIL: why not says `reason`
        Reason reason;
    };

    void refuse_plainly(Reason reason, const Command& command) {
        venue_.reject(reason, command.instrument, command.account);
    }

    /// Accepted tells how the order ended, and stands before its trades.
    std::size_t reserve_accepted() {
        venue_.events.add();
        return venue_.events.size() - 1;
    }

    Reason meet_book(Order& order) {
        if (!venue_.is_trading(*order.seat->instrument))
            return rests(order.time_in_force) ? auction_.prevent_self_trade(order) : Reason::NONE;
        if (order.time_in_force == FOK) {
            BookSide& opposite = order.seat->instrument->opposite(order.side);
            const std::uint32_t owner = order.seat->account->owner;
            const std::int64_t fillable =
                opposite.fillable_lots(venue_.orders, venue_.extras, limit_within(venue_, order), owner, order.self_trade,
                                       order.qty_lots);
            if (fillable < order.qty_lots) return Reason::FOK_UNFILLED;
        }
        return match_exposed(order, -1);
    }

    /// Match; a buy counts towards its owner's caps as it fills, and until then as open.
    Reason match_exposed(Order& order, std::int64_t quote_usdc_micros) {
        if (order.side != BUY) return match(venue_, order, quote_usdc_micros);
        const std::int64_t asked_lots = order.qty_lots;
        order.seat->exposure->add(asked_lots);
        const Reason stopped = match(venue_, order, quote_usdc_micros);
        const std::int64_t executed_lots = order.qty_lots - order.open_lots;
        if (executed_lots != asked_lots) order.seat->exposure->add(executed_lots - asked_lots);
        return stopped;
    }

    /// Rest what is left of a limit order or close it, and fill in its Accepted.
    void finish(std::uint32_t place, std::size_t accepted, Reason stopped) {
        Order& order = venue_.orders[place];
        Seat& seat = *order.seat;
        std::int64_t update_id = 0, held = 0, resting_lots = 0;
        const bool is_banded = stopped == Reason::BAND_REACHED;
        if (is_banded && rests(order.time_in_force)) stopped = auction_.prevent_self_trade(order);
        const std::int64_t open_lots = order.open_lots;
        const bool waits = venue_.waits(order);
        const bool stays = open_lots != 0 && stopped == Reason::NONE && (rests(order.time_in_force) || waits);
        const std::uint64_t list_id = venue_.list_id_of(order);
        Reason reason = Reason::NONE;
        if (stays) {
            const std::uint32_t partner = venue_.partner_of(order);
            held = order.hold_for(open_lots);
            if (partner == NIL) {
                if (order.side == BUY) seat.exposure->add(open_lots);
                venue_.rest(place, held);
            } else {
                venue_.rest(place, std::max<std::int64_t>(0, held - venue_.orders[partner].hold_for(open_lots)));
            }
            if (!waits) {
                resting_lots = open_lots;
                update_id = seat.instrument->update_id;
            }
        } else {
            if (open_lots != 0 || stopped != Reason::NONE) {
                reason = stopped == Reason::NONE ? why_unfilled(order) : stopped;
                venue_.tell_closed(order, reason, false);
            }
            venue_.keep_closed_id(order);
        }
        tell_accepted(order, accepted, order.qty_lots - open_lots, resting_lots, update_id, held);
        if (!stays) venue_.give_back(place);
        if (!stays && list_id != 0) venue_.leg_ended(list_id, reason);
        if (is_banded) start_volatility_call(venue_, *seat.instrument);
    }

    void tell_accepted(const Order& order, std::size_t at, std::int64_t executed_lots, std::int64_t resting_lots,
                       std::int64_t update_id, std::int64_t held) noexcept {
        const std::uint64_t rank = venue_.rank_of(order);
        const bool is_triggered = rank != order.order_id && !venue_.waits(order);
        venue_.events[at] = Event{
            .seq = venue_.seq,
            .kind = static_cast<std::uint8_t>(is_triggered ? EventKind::TRIGGERED : EventKind::ACCEPTED),
            .reason = 0,
            .instrument = order.seat->instrument->number,
            .account = order.seat->account->number,
            .a = static_cast<std::int64_t>(order.order_id),
            .b = order.price_ticks,
            .c = is_triggered ? static_cast<std::int64_t>(rank) : order.qty_lots,
            .d = executed_lots,
            .e = resting_lots,
            .f = update_id,
            .g = held,
            .h = order.executed_usdc_micros,
            .peer = 0,
            .side = order.side,
            .flags = 0,
            .zero = 0,
        };
    }

    void place_market(const Command& command, Seat& seat) {
        std::optional<MarketTerms> terms;
        const Reason reason = market_refusal(seat, command, terms);
        if (reason != Reason::NONE) return refuse(reason, command);
        const std::int64_t lots_max = terms ? terms->lots_max : command.b;
        enter_market(accept(command, seat, next_order_id(), 0, lots_max, 0), terms, command.c);
    }

    /// `terms` is filled in where the other side has orders; only a quantity or quote within limits has terms.
    Reason market_refusal(Seat& seat, const Command& command, std::optional<MarketTerms>& terms) {
        const Terms& limits = seat.instrument->terms;
        const std::int64_t qty_lots = command.b, quote_usdc_micros = command.c;
        if (quote_usdc_micros != 0) {
            if (quote_usdc_micros > AMOUNT_MAX) return Reason::QTY_TOO_LARGE;
            if (quote_usdc_micros < limits.notional_usdc_micros_min) return Reason::NOTIONAL_TOO_SMALL;
        } else if (qty_lots <= 0) {
            return Reason::QTY_NOT_POSITIVE;
        } else if (qty_lots > limits.qty_lots_max) {
            return Reason::QTY_TOO_LARGE;
        }
        terms = market_terms(*seat.instrument, command.side, qty_lots, quote_usdc_micros);
        if (terms && quote_usdc_micros != 0 && terms->lots_max == 0) return Reason::NOTIONAL_TOO_SMALL;
        const Reason reason = standing_refusal(venue_, seat, command);
        if (reason != Reason::NONE || !terms) return reason;
        if (is_locked_up(seat, command.side, terms->hold)) return Reason::LOCKED_UP;
        if (!venue_.limits.empty()) {
            const Reason limit = limit_reached(venue_, seat, command.side, terms->lots_max, terms->notional);
            if (limit != Reason::NONE) return limit;
        }
        return cover_refusal(seat, command.side, terms->lots_max, terms->hold);
    }

    void finish_market(Order& order, std::size_t accepted, Reason stopped, bool by_quote) {
        const std::int64_t executed_lots = order.qty_lots - order.open_lots;
        if (by_quote) {
            order.qty_lots = executed_lots;
            order.open_lots = 0;
        }
        Reason reason = Reason::NONE;
        if (order.open_lots != 0 || by_quote || stopped != Reason::NONE) {
            reason = stopped == Reason::NONE ? why_unfilled(order) : stopped;
            venue_.tell_closed(order, reason, false);
        }
        venue_.keep_closed_id(order);
        tell_accepted(order, accepted, executed_lots, 0, 0, 0);
        if (const std::uint64_t list_id = venue_.list_id_of(order); list_id != 0) venue_.leg_ended(list_id, reason);
        if (stopped == Reason::BAND_REACHED) start_volatility_call(venue_, *order.seat->instrument);
    }

    /// Why an order that does not rest closes, where nothing else stopped it.
    static Reason why_unfilled(const Order& order) noexcept {
        if (order.time_in_force == FOK) return Reason::FOK_UNFILLED;
        const bool names_no_limit = order.order_type == MARKET || is_at_collar(order.order_type);
        return names_no_limit && order.executed_usdc_micros == 0 ? Reason::NO_LIQUIDITY : Reason::IOC_REMAINDER;
    }

    /// Of an open list an open order: closed, it takes the others along.
    std::uint32_t any_leg(std::uint64_t list_id) const {
        const auto found = venue_.lists.find(list_id);
        if (found == venue_.lists.end()) return NIL;
        std::uint64_t order_id = list_id;
        while (venue_.index.find(order_id) == NIL) ++order_id;
        return venue_.index.find(order_id);
    }

    std::uint32_t open_or_pending(std::uint64_t order_id) const {
        if (const std::uint32_t place = venue_.index.find(order_id); place != NIL || venue_.lists.empty()) return place;
        for (const std::uint64_t list_id : {order_id - 1, order_id - 2}) {
            const auto found = venue_.lists.find(list_id);
            if (found == venue_.lists.end()) continue;
            for (std::uint8_t leg = 0; leg < found->second.pending_count; ++leg)
                if (venue_.orders[found->second.pending[leg]].order_id == order_id) return found->second.pending[leg];
        }
        return NIL;
    }

    /// The account's open order by either id, or any of a list's; or why it may not be touched.
    Found find(const Command& command) {
        Instrument* instrument = venue_.instrument(command.instrument);
        if (instrument == nullptr) return {NIL, Reason::UNKNOWN_INSTRUMENT};
        Account* account = venue_.account(command.account);
        if (account == nullptr) return {NIL, Reason::UNKNOWN_ACCOUNT};
        std::uint64_t order_id = command.e > 0 ? static_cast<std::uint64_t>(command.e) : 0;
        if (order_id == 0 && !is_no_id(command.text2)) order_id = venue_.client_ids.find(account->number, command.text2);
        const bool is_list = command.kind == CANCEL && command.flags != 0;
        const std::uint32_t place = is_list ? any_leg(order_id) : open_or_pending(order_id);
        if (place == NIL || venue_.orders[place].seat->account != account ||
            venue_.orders[place].seat->instrument != instrument)
            return {NIL, Reason::ORDER_NOT_FOUND};
        return {place, Reason::NONE};
    }

    Found find_to_cancel(const Command& command) {
        const Found found = find(command);
        if (found.place != NIL && halted(venue_, *venue_.orders[found.place].seat->instrument))
            return {NIL, Reason::INSTRUMENT_HALTED};
        return found;
    }

    static bool is_reduction(const Order& order, std::int64_t qty_lots) noexcept {
        return order.qty_lots - order.open_lots < qty_lots && qty_lots < order.qty_lots;
    }

    void reduce(Order& order, std::int64_t qty_lots) {
        Seat& seat = *order.seat;
        const std::int64_t removed_lots = order.qty_lots - qty_lots;
        const std::int64_t hidden_lots = std::min(venue_.hidden_lots(order), removed_lots);
        venue_.reduce(order, removed_lots, hidden_lots);
        Event& event = venue_.tell(EventKind::AMENDED, seat.instrument->number, seat.account->number);
        event.a = static_cast<std::int64_t>(order.order_id);
        event.b = qty_lots;
        event.c = order.open_lots;
        event.d = removed_lots;
        event.e = order.price_ticks;
        event.f = venue_.waits(order) || hidden_lots == removed_lots ? 0 : seat.instrument->update_id;
        event.side = order.side;
    }

    Venue& venue_;
    Auction& auction_;
};

}  // namespace deedbook
