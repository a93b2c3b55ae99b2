// An account's open orders by age: a list through them.
#pragma once

#include <cstdint>

#include "book.hpp"

namespace deedbook {

/// Each is a part of taking orders into the book and out of it, in two places each: no call for every order.
[[gnu::always_inline]] inline void append_to_account(Orders& orders, std::uint32_t place) noexcept {
    Order& order = orders[place];
    Account& account = *order.seat->account;
    order.account_before = account.orders_last;
    order.account_after = NIL;
    if (account.orders_last == NIL) {
        account.orders_first = place;
    } else {
        orders[account.orders_last].account_after = place;
    }
    account.orders_last = place;
}

[[gnu::always_inline]] inline void remove_from_account(Orders& orders, const Order& order) noexcept {
    Account& account = *order.seat->account;
    if (order.account_before == NIL) {
        account.orders_first = order.account_after;
    } else {
        orders[order.account_before].account_after = order.account_after;
    }
    if (order.account_after == NIL) {
        account.orders_last = order.account_before;
    } else {
        orders[order.account_after].account_before = order.account_before;
    }
}

}  // namespace deedbook
