// The state that every kind of command works on, and the few steps that several of them share.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "account_orders.hpp"
#include "accounts.hpp"
#include "batches.hpp"
#include "book.hpp"
#include "broken_rule.hpp"
#include "client_ids.hpp"
#include "event_buffer.hpp"
#include "flat_map.hpp"
#include "instrument.hpp"
#include "order_list.hpp"
#include "queue.hpp"
#include "wire.hpp"

namespace deedbook {

/// What is due at one time, in this order.
enum class DueKind : std::uint8_t { ORDER, PERMISSION, PHASE, INDICATIVE };

/// When an order expires, a permission by account and instrument ends, or an instrument's phase or call has its time.
struct Due {
    std::int64_t when_ns;
    DueKind kind;
    std::uint64_t number;
    std::uint16_t instrument;
    auto operator<=>(const Due&) const = default;
};

/// Of one account, or of all in an instrument; 0: none.
struct Limits {
    std::int64_t notional_usdc_micros = 0, position_lots = 0, open_orders = 0;
    bool operator==(const Limits&) const = default;
};

/// An account (0: all) and an instrument (0: all).
using Scope = std::pair<std::uint32_t, std::uint16_t>;

struct Parked {
    std::int64_t level = 0, asked = 0, position_lots = 0;
};

struct WalletHash {
    std::size_t operator()(const Wallet& wallet) const noexcept {
        return std::hash<std::string_view>{}({reinterpret_cast<const char*>(wallet.data()), wallet.size()});
    }
};

class Venue {
public:
    Venue() { accounts.push_back({}); }

    std::uint64_t seq = 0;
    std::int64_t time_ns = 0;
    std::uint8_t phase = CONTINUOUS;
    std::int64_t last_order_id = 0, last_trade_id = 0, last_prevented_id = 0;
    std::int64_t last_composed_batch_id = 0, last_composed_trade_id = 0, last_final_batch_id = 0, last_final_trade_id = 0;
    std::int64_t chain_block = 0, chain_log_index = 0, crediting_stopped = 0;

    std::vector<std::unique_ptr<Instrument>> instruments{1};  // by number; 0 is the venue
    Queue<Account, 8> accounts;                               // by number; 0 is nobody
    std::unordered_map<Wallet, std::uint32_t, WalletHash> wallets;  // the accounts', and those that they had before
    std::map<std::pair<Wallet, std::uint16_t>, Parked> parked;
    std::set<Scope> killed;  // the kill switches that are on
    std::map<Scope, Limits> limits;
    Orders orders;
    Extras extras;
    std::map<std::uint64_t, OrderList> lists;  // by list id
    std::vector<std::uint64_t> filled_lists;   // whose pending legs are to be placed before the command ends
    std::map<std::pair<std::uint32_t, std::uint8_t>, Command> staged;  // by account and leg, until their PlaceList
    std::map<std::uint64_t, Dividend> ex_dates;  // by seq: the latest dividends that had theirs
    std::set<std::uint16_t> stirred;  // instruments of which stops may be due
    OrderIndex index;
    ClientIds client_ids;
    std::vector<Due> due;  // a heap, the next one first
    Queue<UnsettledTrade, 12> unsettled;  // in order of trade, the first is last_final_trade_id + 1
    std::int64_t ejecting_batch_id = 0, ejecting_attempt = 0;
    Ejected ejecting;
    std::map<std::int64_t, Composition> compositions;
    EventBuffer events;

    // -- answers

    Event& tell(EventKind kind, std::uint16_t instrument, std::uint32_t account) {
        Event& event = events.add();
        event.seq = seq;
        event.kind = static_cast<std::uint8_t>(kind);
        event.instrument = instrument;
        event.account = account;
        return event;
    }

    void reject(Reason reason, std::uint16_t instrument = 0, std::uint32_t account = 0, std::int64_t order_id = 0) {
        Event& event = tell(EventKind::REJECTED, instrument, account);
        event.reason = static_cast<std::uint8_t>(reason);
        event.a = order_id;
    }

    void applied(std::uint32_t account, std::uint16_t instrument) { tell(EventKind::APPLIED, instrument, account); }

    /// Its numbers change in this command: they are told at its end.
    void touch(Balance& balance) {
        if (balance.touched_seq == seq) return;
        balance.touched_seq = seq;
        touched_.push_back(&balance);
    }

    void tell_balances() {
        if (touched_.size() > 1) sort_touched();
        for (const Balance* balance : touched_) {
            require(balance->level + balance->advanced ==
                        balance->free + balance->held + balance->requested + balance->owed_out,
                    "a balance that does not add up");
            Event& event = tell(EventKind::BALANCE, balance->instrument, balance->account);
            event.a = balance->free;
            event.b = balance->held;
            event.c = balance->owed_in;
            event.d = balance->owed_out;
            event.e = balance->requested;
            event.f = balance->level;
            event.g = balance->advanced;
            event.h = balance->position_lots;
        }
        touched_.clear();
    }

    // -- finding

    Instrument* instrument(std::uint16_t number) noexcept {
        return number != 0 && number < instruments.size() ? instruments[number].get() : nullptr;
    }

    Account* account(std::uint32_t number) noexcept {
        return number != 0 && number < accounts.size() ? &accounts[number] : nullptr;
    }

    /// Whose this wallet is, as far as the asset goes.
    Account* account_at(const Wallet& wallet, std::uint16_t asset) noexcept {
        const auto found = wallets.find(wallet);
        if (found == wallets.end()) return nullptr;
        Account& account = accounts[found->second];
        return account.wallet_of(asset) == wallet ? &account : nullptr;
    }

    Balance& balance(Account& account, std::uint16_t asset) {
        const std::uint64_t key = std::uint64_t{account.number} << 16 | asset;
        if (Balance* found = balance_places_.find(key)) return *found;
        Exposure* exposure = asset == USDC ? nullptr : &exposure_of(account.owner, asset);
        Balance& made = balances_.push_back({account.number, asset, exposure});
        balance_places_.insert(key, &made);
        account.balances.push_back(&made);
        return made;
    }

    Seat* find_seat(std::uint32_t account, std::uint16_t instrument) const noexcept {
        return seat_places_.find(std::uint64_t{account} << 16 | instrument);
    }

    void prefetch_seat(std::uint32_t account, std::uint16_t instrument) const noexcept {
        seat_places_.prefetch(std::uint64_t{account} << 16 | instrument);
    }

    Seat& seat(Account& account, Instrument& instrument) {
        if (Seat* found = find_seat(account.number, instrument.number)) return *found;
        Balance& cash = balance(account, USDC);
        Balance& tokens = balance(account, instrument.number);
        const std::uint64_t key = std::uint64_t{account.number} << 16 | instrument.number;
        Seat& made = seats_.push_back(
            {&account, &instrument, &cash, &tokens, tokens.exposure, instrument.terms.tick_value_usdc_micros});
        seat_places_.insert(key, &made);
        account.seats.push_back(&made);
        made.exposure->seats.push_back(&made);
        return made;
    }

    // -- orders in and out of the book

    /// Whether it is a stop whose price has not been reached, and so in no book.
    bool waits(const Order& order) const noexcept {
        return order.extra != NIL && extras[order.extra].waits;
    }

    /// Of its open lots those that the book does not show.
    std::int64_t hidden_lots(const Order& order) const noexcept {
        return order.extra == NIL ? 0 : extras[order.extra].hidden_lots;
    }

    /// Its place in the queue: its number, or a later one that it was triggered or replenished with.
    std::uint64_t rank_of(const Order& order) const noexcept {
        return order.extra == NIL ? order.order_id : extras[order.extra].rank;
    }

    /// Calls `visit(place)` for every open order, by rank.
    template <typename Visit>
    void each_order(Visit visit) const {
        std::map<std::uint64_t, std::uint32_t> moved;  // by rank, of those whose id came already
        const auto visit_below = [&](std::uint64_t order_id) {
            for (; !moved.empty() && moved.begin()->first < order_id; moved.erase(moved.begin()))
                visit(moved.begin()->second);
        };
        index.each([&](std::uint32_t place) {
            const Order& order = orders[place];
            visit_below(order.order_id);
            if (const std::uint64_t rank = rank_of(order); rank != order.order_id) {
                moved[rank] = place;
            } else {
                visit(place);
            }
        });
        visit_below(UINT64_MAX);
    }

    /// Put an order's open lots into the book, or a stop to where it waits, and hold for them.
    void rest(std::uint32_t place, std::int64_t hold) {
        const Order& order = orders[place];
        Seat& seat = *order.seat;
        Balance& balance = order.side == BUY ? *seat.cash : *seat.tokens;
        touch(balance);
        balance.free -= hold;
        balance.held += hold;
        if (!waits(order)) book_changed(*seat.instrument);
        if (order.extra != NIL) hide(order);
        rest_again(place);
    }

    /// The same for an order whose hold stands already: one from a snapshot.
    void rest_again(std::uint32_t place) {
        Order& order = orders[place];
        Seat& seat = *order.seat;
        if (waits(order)) {
            seat.instrument->stops.add(order, extras[order.extra].stop_ticks);
        } else {
            seat.instrument->side(order.side).add(orders, place);
        }
        index.insert(order.order_id, place);
        append_to_account(orders, place);
        ++seat.open_orders;
        if (order.expire_time_ns != 0) push_due({order.expire_time_ns, DueKind::ORDER, order.order_id, 0});
    }

    /// Take an order out of the book, filled or not; what it held is freed by the caller.
    void unrest(std::uint32_t place) {
        take_out(place);
        keep_closed_id(orders[place]);
        give_back(place);
    }

    /// The same for an order that goes on.
    void take_out(std::uint32_t place) {
        const Order& order = orders[place];
        Seat& seat = *order.seat;
        if (waits(order)) {
            seat.instrument->stops.remove(order, extras[order.extra].stop_ticks);
        } else {
            seat.instrument->side(order.side).remove(orders, place);
        }
        remove_from_account(orders, order);
        index.erase(order.order_id);
        --seat.open_orders;
        if (order.expire_time_ns != 0) forget_due();
    }

    /// An order is done.
    void give_back(std::uint32_t place) noexcept {
        if (orders[place].extra != NIL) extras.give_back(orders[place].extra);
        orders.give_back(place);
    }

    /// An iceberg that shows nothing shows more: behind others at its price, and the youngest of its account.
    void replenish(std::uint32_t place) {
        Order& order = orders[place];
        if (order.open_lots > hidden_lots(order)) return;
        Instrument& instrument = *order.seat->instrument;
        instrument.side(order.side).move_back(orders, place);
        remove_from_account(orders, order);
        append_to_account(orders, place);
        hide(order);
        extras[order.extra].rank = static_cast<std::uint64_t>(++last_order_id);
        Event& event = tell(EventKind::REPLENISHED, instrument.number, order.seat->account->number);
        event.a = static_cast<std::int64_t>(order.order_id);
        event.b = order.price_ticks;
        event.c = last_order_id;
        event.d = order.open_lots - hidden_lots(order);
        event.f = ++instrument.update_id;
        event.side = order.side;
    }

    /// Less quantity, same place in the queue; some is left open. What it held for that is free again.
    ///
    /// hidden_lots  so many of the lots are not shown: where all are not, the book looks the same.
    void reduce(Order& order, std::int64_t lots, std::int64_t hidden_lots = 0) {
        Seat& seat = *order.seat;
        const std::int64_t freed = order.hold_for(order.open_lots) - order.hold_for(order.open_lots - lots);
        order.qty_lots -= lots;
        order.open_lots -= lots;
        Balance& balance = order.side == BUY ? *seat.cash : *seat.tokens;
        touch(balance);
        balance.held -= freed;
        balance.free += freed;
        if (order.side == BUY) seat.exposure->add(-lots);
        if (waits(order)) return;
        seat.instrument->side(order.side).reduce(order.price_ticks, lots);
        if (hidden_lots != 0) extras[order.extra].hidden_lots -= hidden_lots;
        book_changed(*seat.instrument, lots > hidden_lots);
    }

    /// What a resting or waiting order holds and counts is free again.
    void free_hold(const Order& order) {
        Seat& seat = *order.seat;
        const std::int64_t held = order.hold_for(order.open_lots);
        if (order.side == BUY) seat.exposure->add(-order.open_lots);
        Balance& balance = order.side == BUY ? *seat.cash : *seat.tokens;
        touch(balance);
        balance.held -= held;
        balance.free += held;
    }

    // -- orders that end, and of a list others with them: lists.hpp

    std::uint64_t list_id_of(const Order& order) const noexcept { return order.extra == NIL ? 0 : extras[order.extra].list_id; }

    std::uint32_t partner_of(const Order& order) const;
    std::int64_t held_for(const Order& order) const;
    bool is_counted(const Order& order) const;
    std::uint32_t next_if_closed(std::uint32_t place, bool older) const;
    void close(std::uint32_t place, Reason reason);
    void close_one(std::uint32_t place, Reason reason, const Order* partner);
    void close_leg(std::uint32_t place, Reason reason);
    void tell_closed(const Order& order, Reason reason, bool rested);
    void prevail(const Order& order);
    void leg_ended(std::uint64_t list_id, Reason reason);
    void end_all_pending(OrderList& list, Reason reason);
    void close_unpermitted(Seat& seat);

    // -- client ids

    /// The order that has or lately had this client id, or 0.
    std::uint64_t order_id_of(Account& account, const Text& client_order_id) {
        auto& closed = account.closed_ids;
        while (!closed.empty() && time_ns - closed.front().time_ns >= CLIENT_ORDER_ID_KEPT_NS) forget_closed_id(account);
        return client_ids.find(account.number, client_order_id);
    }

    /// The order has closed; its client id, if it had one, stays refused for a day.
    void keep_closed_id(const Order& order) { keep_closed_id(*order.seat->account, order.client_id); }

    void keep_closed_id(Account& account, std::uint32_t client_id) {
        if (client_id == NIL) return;
        account.closed_ids.push_back({time_ns, client_id});
        if (account.closed_ids.size() > CLIENT_ORDER_ID_KEPT_MAX) forget_closed_id(account);
    }

    // -- phases

    /// `ends_ns`: when it ends by itself, 0: by a command. A call begins, or begins anew.
    void enter(Instrument& instrument, std::uint8_t phase, std::int64_t ends_ns, std::uint8_t then) {
        for (const std::int64_t pending_ns : {instrument.phase_ends_ns, instrument.indicative_due_ns})
            if (pending_ns != 0) forget_due();
        instrument.phase = phase;
        instrument.phase_ends_ns = ends_ns;
        instrument.phase_then = then;
        instrument.indicative_due_ns = 0;
        stir(instrument);
        if (ends_ns != 0) push_due({ends_ns, DueKind::PHASE, instrument.number, 0});
        indicate(instrument);
        Event& event = tell(EventKind::PHASE_CHANGED, instrument.number, 0);
        event.a = ends_ns;
        event.flags = phase;
    }

    /// Whether orders trade as they come.
    bool is_trading(const Instrument& instrument) const noexcept {
        return deedbook::is_trading(instrument.phase) && phase == CONTINUOUS;
    }

    /// Its stops may be due: the last trade's price is another one, or it may trade again.
    void stir(const Instrument& instrument) {
        if (!instrument.stops.empty()) stirred.insert(instrument.number);
    }

    /// One change more, if it is seen. What a call comes to is told soon, unless that is to happen already.
    void book_changed(Instrument& instrument, bool is_seen = true) {
        instrument.update_id += is_seen;
        if (instrument.phase > HALT) indicate(instrument);
    }

    // -- what is due

    void push_due(const Due& entry) {
        due.push_back(entry);
        std::push_heap(due.begin(), due.end(), std::greater<>{});
    }

    Due pop_due() {
        std::pop_heap(due.begin(), due.end(), std::greater<>{});
        const Due entry = due.back();
        due.pop_back();
        return entry;
    }

    /// An entry of the due heap stands for nothing any more; make the heap anew before most of it does.
    void forget_due() {
        if (++due_forgotten_ <= DUE_FORGOTTEN_MAX + due.size() / 2) return;
        due_forgotten_ = 0;
        due.clear();
        index.each([this](std::uint32_t place) {
            const Order& order = orders[place];
            if (order.expire_time_ns != 0) due.push_back({order.expire_time_ns, DueKind::ORDER, order.order_id, 0});
        });
        for (const Seat& seat : seats_)
            if (seat.permission.is_set && !seat.permission.ended)
                due.push_back({seat.permission.valid_until_ns, DueKind::PERMISSION, seat.account->number,
                               seat.instrument->number});
        std::make_heap(due.begin(), due.end(), std::greater<>{});
        for (std::size_t number = 1; number < instruments.size(); ++number) push_pending(*instruments[number]);
    }

    /// What of an instrument is due by time.
    void push_pending(const Instrument& instrument) {
        if (instrument.phase_ends_ns != 0) push_due({instrument.phase_ends_ns, DueKind::PHASE, instrument.number, 0});
        if (instrument.indicative_due_ns != 0)
            push_due({instrument.indicative_due_ns, DueKind::INDICATIVE, instrument.number, 0});
    }

private:
    static constexpr std::int64_t INDICATIVE_DELAY_NS = 100'000'000;  // from a change until it is told what it comes to
    static constexpr std::size_t DUE_FORGOTTEN_MAX = 1'000;
    static constexpr std::size_t FEW = 16;

    /// An iceberg shows no more than it may, and all of that.
    void hide(const Order& order) noexcept {
        Extra& extra = extras[order.extra];
        if (extra.display_lots != 0) extra.hidden_lots = std::max<std::int64_t>(0, order.open_lots - extra.display_lots);
    }

    void indicate(Instrument& instrument) {
        if (!is_call(instrument.phase) || instrument.indicative_due_ns != 0) return;
        instrument.indicative_due_ns = time_ns + INDICATIVE_DELAY_NS;
        push_due({instrument.indicative_due_ns, DueKind::INDICATIVE, instrument.number, 0});
    }

    Exposure& exposure_of(std::uint32_t owner, std::uint16_t asset) {
        const std::uint64_t key = std::uint64_t{owner} << 16 | asset;
        if (Exposure* found = exposure_places_.find(key)) return *found;
        Exposure& made = exposures_.push_back({0, &instruments[asset]->holders});
        exposure_places_.insert(key, &made);
        return made;
    }

    /// A command touches a few, a sweep all of them.
    void sort_touched() {
        const auto is_before = [](const Balance* one, const Balance* other) { return one->key() < other->key(); };
        if (touched_.size() > FEW) return std::sort(touched_.begin(), touched_.end(), is_before);
        for (std::size_t sorted = 1; sorted < touched_.size(); ++sorted) {
            Balance* const next = touched_[sorted];
            std::size_t at = sorted;
            for (; at > 0 && is_before(next, touched_[at - 1]); --at) touched_[at] = touched_[at - 1];
            touched_[at] = next;
        }
    }

    void end_pending(OrderList& list, std::uint32_t place, Reason reason);
    void end_list(OrderList& list);

    void forget_closed_id(Account& account) {
        client_ids.erase(account.closed_ids.front().client_id);
        account.closed_ids.pop_front();
    }

    Queue<Balance, 8> balances_;
    Queue<Seat, 8> seats_;
    Queue<Exposure, 8> exposures_;
    FlatMap<Balance> balance_places_;
    FlatMap<Seat> seat_places_;
    FlatMap<Exposure> exposure_places_;
    std::vector<Balance*> touched_;  // told at the end of the command at hand
    std::size_t due_forgotten_ = 0;
};

}  // namespace deedbook
