// From a snapshot's bytes to a venue: either engine reads what the other wrote.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "broken_rule.hpp"
#include "lists.hpp"
#include "snapshot.hpp"
#include "venue.hpp"

namespace deedbook {

/// Reads rows; a read past the end is a broken rule.
class SnapshotReader {
public:
    explicit SnapshotReader(std::string_view bytes) noexcept : rest_(bytes) {}

    std::string_view take(std::size_t size) {
        require(rest_.size() >= size, "the snapshot is cut short");
        const std::string_view taken = rest_.substr(0, size);
        rest_.remove_prefix(size);
        return taken;
    }

    std::int64_t number() {
        std::int64_t value;
        std::memcpy(&value, take(sizeof value).data(), sizeof value);
        return value;
    }

    template <typename Number>
    Number as() {
        const std::int64_t value = number();
        require(std::in_range<Number>(value), "a number of the snapshot is out of its range");
        return static_cast<Number>(value);
    }

    template <typename Bytes>
    Bytes raw() {
        Bytes value;
        std::memcpy(value.data(), take(value.size()).data(), value.size());
        return value;
    }

    /// Calls `row()` as often as the section has rows.
    template <typename Row>
    void section(Row row) {
        for (std::int64_t rows = number(); rows > 0; --rows) row();
    }

    bool is_at_end() const noexcept { return rest_.empty(); }

private:
    std::string_view rest_;
};

class Restore {
public:
    Restore(std::string_view image, Venue& venue) : in_(image), venue_(venue) {}

    /// Throws BrokenRule where the bytes are not a whole snapshot of this version.
    void run() {
        require(in_.take(MAGIC.size()) == MAGIC, "this is no snapshot of this version");
        in_.section([this] { head(); });
        // Instruments need their fee account, so their rows wait for the accounts'.
        SnapshotReader instruments = in_;
        in_.section([this] { in_.take(INSTRUMENT_BYTES); });
        in_.section([this] { account(); });
        in_.section([this] { earlier_wallet(); });
        in_.section([this] { left_behind(); });
        std::swap(in_, instruments);
        in_.section([this] { instrument(); });
        std::swap(in_, instruments);
        in_.section([this] { venue_.killed.insert(scope()); });
        in_.section([this] { limits(); });
        in_.section([this] { permission(); });
        in_.section([this] { balance(); });
        in_.section([this] { list(); });
        in_.section([this] { order(); });
        in_.section([this] { pending(); });
        for (const auto& each : venue_.lists) check(each.second);
        in_.section([this] { staged(); });
        for (const Balance* each : below_zero_) each->exposure->add(each->position_lots + each->owed_in);
        in_.section([this] { closed_id(); });
        in_.section([this] { parked(); });
        in_.section([this] { unsettled(); });
        in_.section([this] { ejecting(); });
        in_.section([this] { attempt(); });
        in_.section([this] { ejected(); });
        in_.section([this] { ex_date(); });
        require(in_.is_at_end(), "the snapshot is longer than its rows");
    }

private:
    static constexpr std::size_t INSTRUMENT_BYTES = 11 * 8 + 16 + 20 + 14 * 8;

    void head() {
        venue_.seq = in_.as<std::uint64_t>();
        venue_.time_ns = in_.number();
        venue_.phase = in_.as<std::uint8_t>();
        for (std::int64_t* number :
             {&venue_.last_order_id, &venue_.last_trade_id, &venue_.last_prevented_id, &venue_.last_composed_batch_id,
              &venue_.last_composed_trade_id,
              &venue_.last_final_batch_id, &venue_.last_final_trade_id, &venue_.chain_block, &venue_.chain_log_index,
              &venue_.crediting_stopped})
            *number = in_.number();
    }

    void account() {
        const std::uint32_t number = in_.as<std::uint32_t>(), owner = in_.as<std::uint32_t>();
        require(number == venue_.accounts.size(), "the snapshot's accounts are not dense");
        const Wallet wallet = in_.raw<Wallet>();
        venue_.accounts.push_back({number, owner, wallet});
        require(venue_.wallets.emplace(wallet, number).second, "the snapshot has a wallet twice");
    }

    void earlier_wallet() {
        const Wallet wallet = in_.raw<Wallet>();
        const bool is_new = venue_.wallets.emplace(wallet, account_of(in_.as<std::uint32_t>()).number).second;
        require(is_new, "the snapshot has a wallet twice");
    }

    void left_behind() {
        Account& account = account_of(in_.as<std::uint32_t>());
        const std::uint16_t asset = in_.as<std::uint16_t>();
        account.left_behind[asset] = in_.raw<Wallet>();
    }

    void instrument() {
        const std::uint16_t number = in_.as<std::uint16_t>();
        require(number == venue_.instruments.size(), "the snapshot's instruments are not dense");
        Terms t;
        t.fee_account = in_.as<std::uint32_t>();
        for (std::int64_t* value : {&t.tick_value_usdc_micros, &t.price_ticks_max, &t.qty_lots_max,
                                    &t.notional_usdc_micros_min, &t.market_collar_bps, &t.open_orders_max,
                                    &t.ownership_cap_lots})
            *value = in_.number();
        t.holder_cap = in_.as<std::uint32_t>();
        t.resale = in_.as<std::uint8_t>();
        t.symbol = std::string(in_.take(16));
        t.symbol.erase(t.symbol.find_last_not_of('\0') + 1);
        t.token = in_.raw<Wallet>();
        t.lot_decimals = in_.as<std::uint8_t>();
        Balance& fees = venue_.balance(account_of(t.fee_account), USDC);
        Instrument& made = *venue_.instruments.emplace_back(std::make_unique<Instrument>(Instrument{number, t, &fees}));
        made.maker_fee_bps = in_.number();
        made.taker_fee_bps = in_.number();
        made.phase = in_.as<std::uint8_t>();
        made.update_id = in_.number();
        made.last_price_ticks = in_.number();
        made.phase_ends_ns = in_.number();
        made.phase_then = in_.as<std::uint8_t>();
        made.indicative_due_ns = in_.number();
        for (std::int64_t* value : {&made.period_ns, &made.reference_ticks, &made.static_bps, &made.dynamic_bps,
                                    &made.volatility_call_ns})
            *value = in_.number();
        venue_.push_pending(made);
    }

    Scope scope() {
        const std::uint32_t account = in_.as<std::uint32_t>();
        return {account, in_.as<std::uint16_t>()};
    }

    void limits() {
        Limits& limits = venue_.limits[scope()];
        for (std::int64_t* value : {&limits.notional_usdc_micros, &limits.position_lots, &limits.open_orders})
            *value = in_.number();
    }

    void permission() {
        Seat& at = seat();
        Permission& p = at.permission;
        p.is_set = true;
        p.may_buy = in_.as<std::uint8_t>();
        p.may_sell = in_.as<std::uint8_t>();
        p.valid_until_ns = in_.number();
        p.locked_lots = in_.number();
        p.rules_version = in_.number();
        p.ended = in_.take(1)[0] != 0;
        p.facts_hash = in_.raw<Hash>();
        if (!p.ended) venue_.push_due({p.valid_until_ns, DueKind::PERMISSION, at.account->number, at.instrument->number});
    }

    void balance() {
        Account& account = account_of(in_.as<std::uint32_t>());
        const std::uint16_t asset = in_.as<std::uint16_t>();
        require(asset == USDC || venue_.instrument(asset) != nullptr, "the snapshot names an unknown instrument");
        Balance& b = venue_.balance(account, asset);
        for (std::int64_t* value : {&b.free, &b.held, &b.owed_in, &b.owed_out, &b.requested, &b.level, &b.advanced,
                                    &b.position_lots, &b.asked, &b.announced})
            *value = in_.number();
        if (b.exposure == nullptr) return;
        const std::int64_t lots = b.position_lots + b.owed_in;
        if (lots < 0) return below_zero_.push_back(&b);
        b.exposure->add(lots);
    }

    void list() {
        const std::uint64_t list_id = in_.as<std::uint64_t>();
        Seat& at = seat();
        const std::uint8_t kind = in_.as<std::uint8_t>();
        const std::int64_t time_ns = in_.number();
        const std::uint64_t last = static_cast<std::uint64_t>(venue_.last_order_id);
        require(legs_of(kind) != 0 && 0 < list_id && list_id <= last && last - list_id + 1 >= legs_of(kind) &&
                    (venue_.lists.empty() || venue_.lists.rbegin()->first < list_id),
                "the snapshot has a list that cannot be");
        OrderList& made = venue_.lists[list_id] = {list_id, &at, time_ns, NIL, kind};
        made.client_id = client_id(at.account->number, in_.raw<Text>(), list_id);
    }

    void order() {
        const std::uint32_t place = read_order(false);
        const Order& o = venue_.orders[place];
        const bool is_second = venue_.partner_of(o) != NIL;
        venue_.rest_again(place);
        if (o.side == BUY && !is_second) o.seat->exposure->add(o.open_lots);
    }

    void pending() {
        const std::uint32_t place = read_order(true);
        OrderList& list = venue_.lists.at(venue_.list_id_of(venue_.orders[place]));
        require(list.pending_count < list.pending.size(), "the snapshot has a list that cannot be");
        list.add_pending(place);
        ++list.seat->open_orders;
    }

    std::uint32_t read_order(bool is_pending) {
        const std::uint64_t order_id = in_.as<std::uint64_t>();
        require(order_id != 0 && order_id <= static_cast<std::uint64_t>(venue_.last_order_id) &&
                    venue_.index.find(order_id) == NIL,
                "the snapshot has an order that cannot be");
        Seat& at = seat();
        const std::uint32_t place = venue_.orders.take();
        Order& o = venue_.orders[place] = Order{};
        o.order_id = order_id;
        o.seat = &at;
        for (std::uint8_t* value : {&o.side, &o.order_type, &o.time_in_force, &o.self_trade})
            *value = in_.as<std::uint8_t>();
        for (std::int64_t* value : {&o.price_ticks, &o.qty_lots, &o.open_lots, &o.executed_usdc_micros, &o.expire_time_ns,
                                    &o.time_ns})
            *value = in_.number();
        require(Wide{o.price_ticks} * at.tick_value_usdc_micros == in_.number(), "the snapshot's order has another tick value");
        o.maker_fee_bps = in_.as<std::uint16_t>();
        o.hold_fee_bps = in_.as<std::uint16_t>();
        o.extra = extra(o, is_pending);
        o.client_id = client_id(at.account->number, in_.raw<Text>(), order_id);
        return place;
    }

    std::uint32_t extra(const Order& order, bool is_pending) {
        const std::uint64_t rank = in_.as<std::uint64_t>();
        const std::int64_t stop_ticks = in_.number(), display_lots = in_.number(), hidden_lots = in_.number();
        const std::uint8_t waits = in_.as<std::uint8_t>();
        const std::uint64_t list_id = in_.as<std::uint64_t>();
        if (is_pending) {
            require(rank == 0 && hidden_lots == 0 && list_id != 0, "the snapshot's leg is no pending one");
        } else {
            require(rank > last_rank_ && rank >= order.order_id && rank <= static_cast<std::uint64_t>(venue_.last_order_id),
                    "the snapshot's orders are not in order");
            last_rank_ = rank;
            const bool hides = display_lots > 0 && 0 <= hidden_lots && hidden_lots < order.open_lots;
            require(hides || (display_lots == 0 && hidden_lots == 0), "the snapshot's order hides what it has not");
        }
        require(waits == 0 || (waits == 1 && stop_ticks != 0), "the snapshot's order waits for nothing");
        if (list_id != 0) count_leg(order, list_id);
        if (stop_ticks == 0 && display_lots == 0 && list_id == 0) {
            require(rank == order.order_id, "the snapshot's order has lost its place");
            return NIL;
        }
        const std::uint32_t number = venue_.extras.take();
        venue_.extras[number] = {rank, stop_ticks, display_lots, hidden_lots, list_id, waits != 0};
        return number;
    }

    void count_leg(const Order& order, std::uint64_t list_id) {
        const auto found = venue_.lists.find(list_id);
        require(found != venue_.lists.end() && found->second.seat == order.seat && order.order_id >= list_id &&
                    order.order_id - list_id < legs_of(found->second.kind),
                "the snapshot's order is no leg of its list");
        ++found->second.legs_left;
    }

    /// Pending legs come after a working one that is open; without them one leg is, or two that are a pair.
    void check(const OrderList& list) const {
        const bool works = venue_.index.find(list.list_id) != NIL;
        const int pending = list.pending_count, legs = legs_of(list.kind), open = list.legs_left - pending;
        bool fits = list.kind == OCO ? pending == 0 && open >= 1 : pending == 0 ? !works && open >= 1 : works && open == 1;
        if (pending != 0) fits = fits && pending == legs - 1;
        for (std::uint8_t leg = 0; leg < list.pending_count; ++leg)
            fits = fits && venue_.orders[list.pending[leg]].order_id == list.list_id + 1 + leg;
        if (open == 2) {
            const Order& one = venue_.orders[venue_.index.find(list.pair_id())];
            const Order& other = venue_.orders[venue_.index.find(list.pair_id() + 1)];
            fits = fits && one.side == other.side && one.open_lots == other.open_lots;
        }
        require(fits, "the snapshot has a list that cannot be");
    }

    void staged() {
        Command c{};
        c.account = in_.as<std::uint32_t>();
        c.flags = in_.as<std::uint8_t>();
        for (std::uint8_t* value : {&c.side, &c.order_type, &c.time_in_force}) *value = in_.as<std::uint8_t>();
        c.instrument = in_.as<std::uint16_t>();
        c.self_trade = in_.as<std::uint8_t>();
        for (std::int64_t* value : {&c.a, &c.b, &c.c, &c.d, &c.f, &c.g}) *value = in_.number();
        c.text = in_.raw<Text>();
        venue_.staged[{c.account, c.flags}] = c;
    }

    std::uint32_t client_id(std::uint32_t account, const Text& id, std::uint64_t order_id) {
        return id == NO_ID ? NIL : venue_.client_ids.insert(account, id, order_id);
    }

    void closed_id() {
        Account& account = account_of(in_.as<std::uint32_t>());
        const std::int64_t time_ns = in_.number();
        const std::uint64_t order_id = in_.as<std::uint64_t>();
        const std::uint32_t id = venue_.client_ids.insert(account.number, in_.raw<Text>(), order_id);
        account.closed_ids.push_back({time_ns, id});
    }

    void parked() {
        const Wallet wallet = in_.raw<Wallet>();
        const std::uint16_t asset = in_.as<std::uint16_t>();
        const std::int64_t level = in_.number(), asked = in_.number(), position_lots = in_.number();
        venue_.parked[{wallet, asset}] = {level, asked, position_lots};
    }

    void unsettled() {
        const std::int64_t trade_id = in_.number();
        const std::int64_t expected = venue_.last_final_trade_id + 1 + static_cast<std::int64_t>(venue_.unsettled.size());
        require(trade_id == expected, "the snapshot's trades are not dense");
        Instrument* instrument = venue_.instrument(in_.as<std::uint16_t>());
        require(instrument != nullptr, "the snapshot names an unknown instrument");
        Seat& buyer = venue_.seat(account_of(in_.as<std::uint32_t>()), *instrument);
        Seat& seller = venue_.seat(account_of(in_.as<std::uint32_t>()), *instrument);
        const std::int64_t lots = in_.number(), notional = in_.number(), buyer_fee = in_.number();
        const std::int64_t seller_fee = in_.number();
        venue_.unsettled.push_back({&buyer, &seller, lots, notional, buyer_fee, seller_fee, in_.as<std::uint8_t>()});
    }

    void ejecting() {
        venue_.ejecting_batch_id = in_.number();
        venue_.ejecting_attempt = in_.number();
        const std::int64_t trade_id = in_.number();
        venue_.ejecting[trade_id] = in_.as<std::uint8_t>();
    }

    void attempt() {
        const std::int64_t batch_id = in_.number(), trade_after = in_.number(), trade_last = in_.number();
        Composition& composition = venue_.compositions.try_emplace(batch_id, Composition{trade_after, trade_last}).first->second;
        composition.attempt = in_.number();
        require(in_.as<std::size_t>() == composition.attempts.size(), "the snapshot's attempts are not dense");
        composition.attempts.emplace_back(in_.raw<Hash>(), Ejected{});
    }

    void ejected() {
        const auto composition = venue_.compositions.find(in_.number());
        const std::size_t place = in_.as<std::size_t>();
        require(composition != venue_.compositions.end() && place < composition->second.attempts.size(),
                "the snapshot ejects from an unknown batch");
        const std::int64_t trade_id = in_.number();
        composition->second.attempts[place].second[trade_id] = in_.as<std::uint8_t>();
    }

    void ex_date() {
        const std::uint64_t seq = in_.as<std::uint64_t>();
        venue_.ex_dates[seq] = in_.raw<Dividend>();
    }

    Account& account_of(std::uint32_t number) {
        Account* account = venue_.account(number);
        require(account != nullptr, "the snapshot names an unknown account");
        return *account;
    }

    /// Of the next two numbers: an account and an instrument.
    Seat& seat() {
        Account& account = account_of(in_.as<std::uint32_t>());
        Instrument* instrument = venue_.instrument(in_.as<std::uint16_t>());
        require(instrument != nullptr, "the snapshot names an unknown instrument");
        return venue_.seat(account, *instrument);
    }

    SnapshotReader in_;
    Venue& venue_;
    std::vector<const Balance*> below_zero_;  // they come last: the owner's others make up for them
    std::uint64_t last_rank_ = 0;
};

}  // namespace deedbook
