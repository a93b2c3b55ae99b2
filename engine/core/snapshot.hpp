// The engine's state as bytes: sections of fixed-width rows in one order, the same as engine/snapshot.py writes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "venue.hpp"

namespace deedbook {

constexpr std::string_view MAGIC = "DEEDSNP9";

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

/// Writes each section in its order; a name stands for the section in engine/snapshot.py.
class Snapshot {
public:
    explicit Snapshot(const Venue& venue) noexcept : venue_(venue) {}

    std::string encode() {
        head();
        instruments();
        accounts();
        earlier_wallets();
        left_behind();
        killed();
        limits();
        permissions();
        balances();
        lists();
        orders();
        pending();
        staged();
        closed_ids();
        parked();
        unsettled();
        ejecting();
        compositions();
        ejected();
        ex_dates();
        return std::move(out_.bytes);
    }

private:
    void head() {
        out_.section(1);
        out_.numbers(venue_.seq, venue_.time_ns, venue_.phase, venue_.last_order_id, venue_.last_trade_id,
                     venue_.last_prevented_id, venue_.last_composed_batch_id, venue_.last_composed_trade_id, venue_.last_final_batch_id,
                     venue_.last_final_trade_id, venue_.chain_block, venue_.chain_log_index, venue_.crediting_stopped);
    }

    void instruments() {
        out_.section(venue_.instruments.size() - 1);
        for (std::size_t number = 1; number < venue_.instruments.size(); ++number) {
            const Instrument& each = *venue_.instruments[number];
            const Terms& t = each.terms;
            out_.numbers(each.number, t.fee_account, t.tick_value_usdc_micros, t.price_ticks_max, t.qty_lots_max,
                         t.notional_usdc_micros_min, t.market_collar_bps, t.open_orders_max, t.ownership_cap_lots,
                         t.holder_cap, t.resale);
            out_.padded(t.symbol, 16);
            out_.raw(t.token);
            out_.numbers(t.lot_decimals, each.maker_fee_bps, each.taker_fee_bps, each.phase, each.update_id,
                         each.last_price_ticks, each.phase_ends_ns, each.phase_then, each.indicative_due_ns,
                         each.period_ns, each.reference_ticks, each.static_bps, each.dynamic_bps,
                         each.volatility_call_ns);
        }
    }

    void accounts() {
        out_.section(venue_.accounts.size() - 1);
        for (std::size_t number = 1; number < venue_.accounts.size(); ++number) {
            const Account& account = venue_.accounts[number];
            out_.numbers(account.number, account.owner);
            out_.raw(account.wallet);
        }
    }

    void earlier_wallets() {
        const std::map<Wallet, std::uint32_t> wallets(venue_.wallets.begin(), venue_.wallets.end());
        out_.section(wallets.size() - (venue_.accounts.size() - 1));  // each account has one
        for (const auto& [wallet, account] : wallets) {
            if (venue_.accounts[account].wallet == wallet) continue;
            out_.raw(wallet);
            out_.number(account);
        }
    }

    void left_behind() {
        std::size_t count = 0;
        for (const Account& account : venue_.accounts) count += account.left_behind.size();
        out_.section(count);
        for (const Account& account : venue_.accounts)
            for (const auto& [asset, wallet] : account.left_behind) {
                out_.numbers(account.number, asset);
                out_.raw(wallet);
            }
    }

    void killed() {
        out_.section(venue_.killed.size());
        for (const auto& [account, instrument] : venue_.killed) out_.numbers(account, instrument);
    }

    void limits() {
        out_.section(venue_.limits.size());
        for (const auto& [scope, l] : venue_.limits)
            out_.numbers(scope.first, scope.second, l.notional_usdc_micros, l.position_lots, l.open_orders);
    }

    void permissions() {
        std::vector<const Seat*> seats;
        for (const Account& account : venue_.accounts)
            for (const Seat* seat : account.seats)
                if (seat->permission.is_set) seats.push_back(seat);
        std::sort(seats.begin(), seats.end(), [](const Seat* one, const Seat* other) {
            return std::pair(one->account->number, one->instrument->number) <
                   std::pair(other->account->number, other->instrument->number);
        });
        out_.section(seats.size());
        for (const Seat* seat : seats) {
            const Permission& p = seat->permission;
            out_.numbers(seat->account->number, seat->instrument->number, p.may_buy, p.may_sell, p.valid_until_ns,
                         p.locked_lots, p.rules_version);
            out_.flag(p.ended);
            out_.raw(p.facts_hash);
        }
    }

    void balances() {
        std::vector<const Balance*> balances;
        for (const Account& account : venue_.accounts)
            for (const Balance* balance : account.balances)
                if (!balance->is_empty()) balances.push_back(balance);
        std::sort(balances.begin(), balances.end(), [](auto* one, auto* other) { return one->key() < other->key(); });
        out_.section(balances.size());
        for (const Balance* b : balances)
            out_.numbers(b->account, b->instrument, b->free, b->held, b->owed_in, b->owed_out, b->requested, b->level,
                         b->advanced, b->position_lots, b->asked, b->announced);
    }

    void lists() {
        out_.section(venue_.lists.size());
        for (const auto& [list_id, list] : venue_.lists) {
            out_.numbers(list_id, list.seat->account->number, list.seat->instrument->number, list.kind, list.time_ns);
            client_id(list.client_id);
        }
    }

    void orders() {
        out_.section(venue_.index.count());
        venue_.each_order([this](std::uint32_t place) { order(venue_.orders[place]); });
    }

    void pending() {
        std::size_t count = 0;
        for (const auto& each : venue_.lists) count += each.second.pending_count;
        out_.section(count);
        for (const auto& each : venue_.lists)
            for (std::uint8_t leg = 0; leg < each.second.pending_count; ++leg) order(venue_.orders[each.second.pending[leg]]);
    }

    void order(const Order& o) {
        const Extra extra = o.extra == NIL ? Extra{o.order_id, 0, 0, 0, 0, false} : venue_.extras[o.extra];
        out_.numbers(o.order_id, o.seat->account->number, o.seat->instrument->number, o.side, o.order_type,
                     o.time_in_force, o.self_trade, o.price_ticks, o.qty_lots, o.open_lots, o.executed_usdc_micros,
                     o.expire_time_ns, o.time_ns, o.usdc_micros_per_lot(), o.maker_fee_bps, o.hold_fee_bps, extra.rank,
                     extra.stop_ticks, extra.display_lots, extra.hidden_lots, extra.waits, extra.list_id);
        client_id(o.client_id);
    }

    void client_id(std::uint32_t number) { out_.raw(number == NIL ? NO_ID : venue_.client_ids.text(number)); }

    void staged() {
        out_.section(venue_.staged.size());
        for (const auto& [where, c] : venue_.staged) {  // without what of a command's slots no leg uses
            out_.numbers(where.first, where.second, c.side, c.order_type, c.time_in_force, c.instrument, c.self_trade, c.a,
                         c.b, c.c, c.d, c.f, c.g);
            out_.raw(c.text);
        }
    }

    void closed_ids() {
        std::size_t count = 0;
        for (const Account& account : venue_.accounts) count += account.closed_ids.size();
        out_.section(count);
        for (const Account& account : venue_.accounts)
            for (const ClosedId& closed : account.closed_ids) {
                out_.numbers(account.number, closed.time_ns, venue_.client_ids.order_id(closed.client_id));
                out_.raw(venue_.client_ids.text(closed.client_id));
            }
    }

    void parked() {
        out_.section(venue_.parked.size());
        for (const auto& [where, parked] : venue_.parked) {
            out_.raw(where.first);
            out_.numbers(where.second, parked.level, parked.asked, parked.position_lots);
        }
    }

    void unsettled() {
        out_.section(venue_.unsettled.size());
        std::int64_t trade_id = venue_.last_final_trade_id;
        for (const UnsettledTrade& trade : venue_.unsettled)
            out_.numbers(++trade_id, trade.buyer->instrument->number, trade.buyer->account->number,
                         trade.seller->account->number, trade.lots, trade.notional, trade.buyer_fee, trade.seller_fee,
                         trade.resale);
    }

    void ejecting() {
        out_.section(venue_.ejecting.size());
        for (const auto& [trade, reason] : venue_.ejecting)
            out_.numbers(venue_.ejecting_batch_id, venue_.ejecting_attempt, trade, reason);
    }

    void compositions() {
        std::size_t count = 0;
        for (const auto& each : venue_.compositions) count += each.second.attempts.size();
        out_.section(count);
        for (const auto& [number, composition] : venue_.compositions)
            for (std::size_t place = 0; place < composition.attempts.size(); ++place) {
                out_.numbers(number, composition.trade_after, composition.trade_last, composition.attempt, place);
                out_.raw(composition.attempts[place].first);
            }
    }

    void ejected() {
        std::size_t count = 0;
        for (const auto& each : venue_.compositions)
            for (const auto& attempt : each.second.attempts) count += attempt.second.size();
        out_.section(count);
        for (const auto& [number, composition] : venue_.compositions)
            for (std::size_t place = 0; place < composition.attempts.size(); ++place)
                for (const auto& [trade, reason] : composition.attempts[place].second)
                    out_.numbers(number, place, trade, reason);
    }

    void ex_dates() {
        out_.section(venue_.ex_dates.size());
        for (const auto& [seq, dividend] : venue_.ex_dates) {
            out_.number(static_cast<std::int64_t>(seq));
            out_.raw(dividend);
        }
    }

    const Venue& venue_;
    SnapshotWriter out_;
};

}  // namespace deedbook
