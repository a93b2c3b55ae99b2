// The engine's state as bytes: sections of fixed-width rows in one order, the same as engine/snapshot.py writes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "venue.hpp"

namespace deedbook {

constexpr std::string_view MAGIC = "DEEDSNP1";

/// Appends rows of little-endian 64-bit numbers and of bytes.
class SnapshotWriter {
public:
    std::string bytes{MAGIC};

    void section(std::size_t rows) { number(static_cast<std::int64_t>(rows)); }
    void number(std::int64_t value) { bytes.append(reinterpret_cast<const char*>(&value), sizeof value); }
    void flag(bool value) { bytes.push_back(value ? 1 : 0); }
    template <typename Byte, std::size_t N>
    void raw(const std::array<Byte, N>& value) {
        bytes.append(reinterpret_cast<const char*>(value.data()), N);
    }
    template <typename... Values>
    void numbers(Values... values) {
        (number(static_cast<std::int64_t>(values)), ...);
    }
    void padded(const std::string& value, std::size_t size) {
        bytes.append(value);
        bytes.append(size - value.size(), '\0');
    }
};

inline std::string encode(const Venue& venue) {
    SnapshotWriter out;
    out.section(1);
    out.numbers(venue.seq, venue.time_ns, venue.phase, venue.last_order_id, venue.last_trade_id,
                venue.last_composed_batch_id, venue.last_composed_trade_id, venue.last_final_batch_id,
                venue.last_final_trade_id, venue.chain_block, venue.chain_log_index, venue.crediting_stopped);
    out.section(venue.instruments.size() - 1);
    for (std::size_t number = 1; number < venue.instruments.size(); ++number) {
        const Instrument& each = *venue.instruments[number];
        const Terms& t = each.terms;
        out.numbers(each.number, t.fee_account, t.tick_value_usdc_micros, t.price_ticks_max, t.qty_lots_max,
                    t.notional_usdc_micros_min, t.market_collar_bps, t.open_orders_max, t.ownership_cap_lots, t.holder_cap,
                    t.resale);
        out.padded(t.symbol, 16);
        out.raw(t.token);
        out.numbers(t.lot_decimals, each.maker_fee_bps, each.taker_fee_bps, each.phase, each.update_id,
                    each.last_price_ticks);
    }
    out.section(venue.accounts.size() - 1);
    for (std::size_t number = 1; number < venue.accounts.size(); ++number) {
        const Account& account = venue.accounts[number];
        out.numbers(account.number, account.owner);
        out.raw(account.wallet);
    }
    std::vector<const Seat*> seats;
    std::vector<const Balance*> balances;
    for (std::size_t number = 1; number < venue.accounts.size(); ++number) {
        for (const Seat* seat : venue.accounts[number].seats)
            if (seat->permission.is_set) seats.push_back(seat);
        for (const Balance* balance : venue.accounts[number].balances)
            if (!balance->is_empty()) balances.push_back(balance);
    }
    std::sort(seats.begin(), seats.end(), [](const Seat* one, const Seat* other) {
        return std::pair(one->account->number, one->instrument->number) <
               std::pair(other->account->number, other->instrument->number);
    });
    std::sort(balances.begin(), balances.end(), [](auto* one, auto* other) { return one->key() < other->key(); });
    out.section(seats.size());
    for (const Seat* seat : seats) {
        const Permission& p = seat->permission;
        out.numbers(seat->account->number, seat->instrument->number, p.may_buy, p.may_sell, p.valid_until_ns,
                    p.sell_from_ns, p.rules_version);
        out.flag(p.ended);
        out.raw(p.facts_hash);
    }
    out.section(balances.size());
    for (const Balance* b : balances)
        out.numbers(b->account, b->instrument, b->free, b->held, b->owed_in, b->owed_out, b->requested, b->level,
                    b->advanced, b->position_lots, b->asked, b->announced);
    out.section(venue.index.count());
    venue.index.each([&](std::uint32_t place) {
        const Order& o = venue.orders[place];
        out.numbers(o.order_id, o.seat->account->number, o.seat->instrument->number, o.side, o.order_type,
                    o.time_in_force, o.self_trade, o.price_ticks, o.qty_lots, o.open_lots, o.executed_usdc_micros,
                    o.expire_time_ns, o.time_ns, o.usdc_micros_per_lot, o.maker_fee_bps, o.hold_fee_bps);
        out.raw(o.client_order_id);
    });
    std::size_t closed_count = 0;
    for (const Account& account : venue.accounts) closed_count += account.closed_ids.size();
    out.section(closed_count);
    for (const Account& account : venue.accounts)
        for (const ClosedId& closed : account.closed_ids) {
            out.numbers(account.number, closed.time_ns, closed.order_id);
            out.raw(closed.client_order_id);
        }
    out.section(venue.parked.size());
    for (const auto& [where, parked] : venue.parked) {
        out.raw(where.first);
        out.numbers(where.second, parked.level, parked.asked, parked.position_lots);
    }
    out.section(venue.unsettled.size());
    std::int64_t trade_id = venue.last_final_trade_id;
    for (const UnsettledTrade& trade : venue.unsettled)
        out.numbers(++trade_id, trade.buyer->instrument->number, trade.buyer->account->number,
                    trade.seller->account->number, trade.lots, trade.notional, trade.buyer_fee, trade.seller_fee,
                    trade.resale);
    out.section(venue.ejecting.size());
    for (const auto& [trade, reason] : venue.ejecting)
        out.numbers(venue.ejecting_batch_id, venue.ejecting_attempt, trade, reason);
    std::size_t attempts = 0, ejected = 0;
    for (const auto& [number, composition] : venue.compositions) {
        attempts += composition.attempts.size();
        for (const auto& attempt : composition.attempts) ejected += attempt.second.size();
    }
    out.section(attempts);
    for (const auto& [number, composition] : venue.compositions)
        for (std::size_t place = 0; place < composition.attempts.size(); ++place) {
            out.numbers(number, composition.trade_after, composition.trade_last, composition.attempt, place);
            out.raw(composition.attempts[place].first);
        }
    out.section(ejected);
    for (const auto& [number, composition] : venue.compositions)
        for (std::size_t place = 0; place < composition.attempts.size(); ++place)
            for (const auto& [trade, reason] : composition.attempts[place].second)
                out.numbers(number, place, trade, reason);
    return std::move(out.bytes);
}

}  // namespace deedbook
