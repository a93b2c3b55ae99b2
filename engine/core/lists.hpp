// Orders that belong together: an OCO's two legs, of which one ends the other, and legs that wait for a working one.
//
// The two legs of a pair have one side and quantity, and only one of them can trade: so the account holds the larger of
// what they need, once. At most one of them is in the book; the other is a stop that waits.
#pragma once

#include <algorithm>
#include <cstdint>

#include "venue.hpp"

namespace deedbook {

/// The other leg of a pair, as long as both are open; else NIL.
inline std::uint32_t Venue::partner_of(const Order& order) const {
    const std::uint64_t list_id = list_id_of(order);
    if (list_id == 0) return NIL;
    const std::uint64_t pair_id = lists.at(list_id).pair_id();
    return pair_id == 0 || order.order_id < pair_id ? NIL : index.find(2 * pair_id + 1 - order.order_id);
}

/// What the account holds for an open order: for a pair the larger need of both.
inline std::int64_t Venue::held_for(const Order& order) const {
    const std::int64_t hold = order.hold_for(order.open_lots);
    const std::uint32_t partner = partner_of(order);
    return partner == NIL ? hold : std::max(hold, orders[partner].hold_for(order.open_lots));
}

/// Whether what it may buy is counted with it, and not with its partner.
inline bool Venue::is_counted(const Order& order) const {
    const std::uint32_t partner = partner_of(order);
    return partner == NIL || orders[partner].order_id > order.order_id;
}

/// The next order of the account, older or younger, that is there also when this one closes and takes its partner along.
inline std::uint32_t Venue::next_if_closed(std::uint32_t place, bool older) const {
    const auto next = [&](std::uint32_t at) { return older ? orders[at].account_before : orders[at].account_after; };
    const std::uint32_t first = next(place);
    return first != NIL && first == partner_of(orders[place]) ? next(first) : first;
}

/// An order that is open ends, and of a list others with it.
inline void Venue::close(std::uint32_t place, Reason reason) {
    if (list_id_of(orders[place]) != 0) [[unlikely]] return close_leg(place, reason);
    close_one(place, reason, nullptr);
}

/// Take it out of the book, or a stop from where it waits; free what it held, or what its partner needs less.
inline void Venue::close_one(std::uint32_t place, Reason reason, const Order* partner) {
    const Order order = orders[place];
    const bool rested = !waits(order);
    if (partner == nullptr) {
        free_hold(order);
    } else {
        Balance& balance = order.side == BUY ? *order.seat->cash : *order.seat->tokens;
        const std::int64_t needed = partner->hold_for(partner->open_lots);
        const std::int64_t freed = std::max<std::int64_t>(0, order.hold_for(order.open_lots) - needed);
        touch(balance);
        balance.held -= freed;
        balance.free += freed;
    }
    unrest(place);
    if (rested) book_changed(*order.seat->instrument);
    tell_closed(order, reason, rested);
}

inline void Venue::tell_closed(const Order& order, Reason reason, bool rested) {
    Event& event = tell(EventKind::CLOSED, order.seat->instrument->number, order.seat->account->number);
    event.reason = static_cast<std::uint8_t>(reason);
    event.a = static_cast<std::int64_t>(order.order_id);
    event.b = order.open_lots;
    event.c = order.qty_lots - order.open_lots;
    event.d = order.executed_usdc_micros;
    event.e = order.price_ticks;
    event.f = rested ? order.seat->instrument->update_id : 0;
    event.side = order.side;
    event.flags = rested ? 1 : 0;
}

/// It, then its partner or the pending legs. A pending leg takes the working one along.
inline void Venue::close_leg(std::uint32_t place, Reason reason) {
    const std::uint64_t list_id = list_id_of(orders[place]);
    if (rank_of(orders[place]) == 0) {
        end_pending(lists.at(list_id), place, reason);
        place = index.find(list_id);
    }
    const std::uint32_t partner = partner_of(orders[place]);
    close_one(place, reason, partner == NIL ? nullptr : &orders[partner]);
    leg_ended(list_id, reason);
    if (partner == NIL) return;
    close_one(partner, reason, nullptr);
    leg_ended(list_id, reason);
}

/// Something is about to be taken from a leg, or it is triggered: its partner ends before that.
inline void Venue::prevail(const Order& order) {
    const std::uint32_t partner = partner_of(order);
    if (partner == NIL) return;
    close_one(partner, Reason::LIST_LEG_DONE, &order);
    leg_ended(list_id_of(order), Reason::LIST_LEG_DONE);
}

/// A leg was filled (NONE) or closed, which is told already; what follows from it for the others.
inline void Venue::leg_ended(std::uint64_t list_id, Reason reason) {
    OrderList& list = lists.at(list_id);
    --list.legs_left;
    if (list.pending_count != 0 && reason == Reason::NONE) {
        filled_lists.push_back(list_id);
    } else if (list.pending_count != 0) {
        const bool by_trader = reason == Reason::CANCELLED || reason == Reason::CANCELLED_REPLACED;
        end_all_pending(list, by_trader ? reason : Reason::LIST_ENDED);
    } else if (list.legs_left == 0) {
        end_list(list);
    }
}

/// The working leg is no more, so neither is the list.
inline void Venue::end_all_pending(OrderList& list, Reason reason) {
    while (list.pending_count != 0) end_pending(list, list.pending[0], reason);
    end_list(list);
}

inline void Venue::end_pending(OrderList& list, std::uint32_t place, Reason reason) {
    list.remove_pending(place);
    --list.legs_left;
    --list.seat->open_orders;
    tell_closed(orders[place], reason, false);
    keep_closed_id(orders[place]);
    give_back(place);
}

inline void Venue::end_list(OrderList& list) {
    const Seat& seat = *list.seat;
    keep_closed_id(*seat.account, list.client_id);
    tell(EventKind::LIST_DONE, seat.instrument->number, seat.account->number).a = static_cast<std::int64_t>(list.list_id);
    lists.erase(list.list_id);
}

/// Close the resting orders that the seat's permission no longer covers, oldest first.
inline void Venue::close_unpermitted(Seat& seat) {
    const Permission& permission = seat.permission;
    const bool ended = permission.valid_until_ns <= time_ns;
    const bool buys = permission.may_buy && !ended;
    const bool sells = permission.may_sell && !ended;
    for (std::uint32_t at = seat.account->orders_first; at != NIL;) {
        const std::uint32_t after = next_if_closed(at, false);
        if (orders[at].seat == &seat && !(orders[at].side == BUY ? buys : sells)) close(at, Reason::PERMISSION_LOST);
        at = after;
    }
}

}  // namespace deedbook
