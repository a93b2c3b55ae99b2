// What the chain says: levels and positions changed, batches composed and final; and keeping every hold covered.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <limits>
#include <map>

#include "lists.hpp"

namespace deedbook {

inline Wallet wallet_of(const Text& text) noexcept {
    Wallet wallet;
    std::memcpy(wallet.data(), text.data(), wallet.size());
    return wallet;
}

inline Hash hash_of(const Text& text) noexcept {
    Hash hash;
    std::memcpy(hash.data(), text.data(), hash.size());
    return hash;
}

/// Whether a chain may say so; larger numbers, or negative ones, would leave the records or break a hold.
inline bool can_be(std::int64_t level, std::int64_t asked) noexcept {
    return 0 <= level && level <= AMOUNT_MAX && 0 <= asked && asked <= AMOUNT_MAX;
}

class Clearing {
public:
    explicit Clearing(Venue& venue) noexcept : venue_(venue) {}

    /// A vault slot or a lock moved: credit or debit, then set aside what is asked for and cover what is held.
    void level_changed(const Command& command) {
        const std::uint16_t asset = command.instrument;
        const std::int64_t delta = command.a, level = command.b, asked = command.c;
        if (!is_next(asset, asset == USDC, command)) return;
        const Wallet wallet = wallet_of(command.text);
        Account* account = venue_.account_at(wallet, asset);
        if (account == nullptr) {
            const auto parked = venue_.parked.find({wallet, asset});
            const Wide expected = Wide{parked == venue_.parked.end() ? 0 : parked->second.level} + delta;
            if (expected != level || !can_be(level, asked)) return stop_crediting(0, command, expected, level);
            Parked& slot = venue_.parked[{wallet, asset}];
            slot.level = level;
            slot.asked = asked;
            Event& event = venue_.tell(EventKind::PARKED, asset, 0);
            event.a = level;
            event.b = asked;
        } else {
            Balance& balance = venue_.balance(*account, asset);
            const Wide expected = Wide{balance.level} + delta;
            if (expected != level || !can_be(level, asked)) return stop_crediting(account->number, command, expected, level);
            set_level(balance, level, asked);
        }
        move_to(command);
    }

    void position_changed(const Command& command) {
        const std::uint16_t asset = command.instrument;
        const std::int64_t delta_lots = command.a, level_lots = command.b;
        if (!is_next(asset, false, command)) return;
        const Wallet wallet = wallet_of(command.text);
        Account* account = venue_.account_at(wallet, asset);
        if (account == nullptr) {
            const auto parked = venue_.parked.find({wallet, asset});
            const Wide expected = Wide{parked == venue_.parked.end() ? 0 : parked->second.position_lots} + delta_lots;
            if (expected != level_lots || !can_be(level_lots, 0)) return stop_crediting(0, command, expected, level_lots);
            venue_.parked[{wallet, asset}].position_lots = level_lots;
            venue_.applied(0, asset);
        } else {
            Balance& balance = venue_.balance(*account, asset);
            const Wide expected = Wide{balance.position_lots} + delta_lots;
            if (expected != level_lots || !can_be(level_lots, 0))
                return stop_crediting(account->number, command, expected, level_lots);
            set_position(balance, level_lots);
        }
        move_to(command);
    }

    /// An operator sets an account's levels to the chain's.
    void adjust(const Command& command) {
        const std::uint16_t asset = command.instrument;
        const std::int64_t position_lots = command.a, level = command.b, asked = command.c;
        if (asset != USDC && venue_.instrument(asset) == nullptr) return refuse(Reason::UNKNOWN_INSTRUMENT, command);
        Account* account = venue_.account(command.account);
        if (account == nullptr) return refuse(Reason::UNKNOWN_ACCOUNT, command);
        const bool position_fits = asset == USDC ? position_lots == 0 : position_lots >= level;
        if (!can_be(level, asked) || !can_be(position_lots, 0) || std::min(command.d, command.e) < 0 || asked > level ||
            !position_fits)
            return refuse(Reason::VALUE_OUT_OF_RANGE, command);
        Balance& balance = venue_.balance(*account, asset);
        set_level(balance, level, asked);
        if (asset != USDC) set_position(balance, position_lots);
        move_to(command);
        venue_.crediting_stopped = 0;
        venue_.applied(command.account, asset);
    }

    /// A wallet became the account's: what came before that is credited now.
    void adopt_parked(Account& account) {
        for (std::size_t number = 0; number < venue_.instruments.size(); ++number) {
            const std::uint16_t asset = static_cast<std::uint16_t>(number);
            const auto found = venue_.parked.find({account.wallet_of(asset), asset});
            if (found == venue_.parked.end()) continue;
            const Parked parked = found->second;
            venue_.parked.erase(found);
            Balance& balance = venue_.balance(account, asset);
            set_level(balance, parked.level, parked.asked);
            if (parked.position_lots != 0) set_position(balance, parked.position_lots);
        }
    }

    // -- what recovery shares

    bool is_next(std::uint16_t asset, bool is_cash, const Command& command) {
        const bool passed = command.d < venue_.chain_block ||
                            (command.d == venue_.chain_block && command.e <= venue_.chain_log_index);
        if (!is_cash && venue_.instrument(asset) == nullptr) {
            venue_.reject(Reason::UNKNOWN_INSTRUMENT, asset);
        } else if (passed) {
            venue_.reject(Reason::CHAIN_POSITION_PASSED, asset);
        } else if (venue_.crediting_stopped != 0) {
            venue_.reject(Reason::CREDITING_HALTED, asset);
        } else {
            return true;
        }
        return false;
    }

    void move_to(const Command& command) noexcept {
        venue_.chain_block = command.d;
        venue_.chain_log_index = command.e;
    }

    /// The chain and we disagree: credit nothing more, and let traders only take orders out.
    void stop_crediting(std::uint32_t account, const Command& command, Wide expected, std::int64_t level) {
        constexpr Wide MOST = std::numeric_limits<std::int64_t>::max();
        venue_.crediting_stopped = 1;
        venue_.reject(Reason::LEVEL_MISMATCH, command.instrument, account);
        Event& event = venue_.tell(EventKind::CREDITING_STOPPED, command.instrument, account);
        event.a = command.d;
        event.b = command.e;
        event.c = static_cast<std::int64_t>(std::max(-MOST, std::min(MOST, expected)));
        event.d = level;
        if (venue_.phase != CONTINUOUS) return;
        venue_.phase = CANCEL_ONLY_PHASE;
        venue_.tell(EventKind::PHASE_CHANGED, VENUE, 0).flags = CANCEL_ONLY_PHASE;
    }

    void set_level(Balance& balance, std::int64_t level, std::int64_t asked) {
        venue_.touch(balance);
        add(balance.free, level - balance.level);
        balance.level = level;
        balance.asked = asked;
        cover(balance);
    }

    void set_position(Balance& balance, std::int64_t position_lots) {
        venue_.touch(balance);
        balance.exposure->add(position_lots - balance.position_lots);
        balance.position_lots = position_lots;
    }

    /// Set aside what is asked for and not owed; then close the youngest orders until what is held is there.
    ///
    /// Tokens that are locked up cover no order. While some are owed they are not set aside either: outside the locker
    /// others could be sent away in their place. Free stays negative only while trades that rest on a failed one wait
    /// to fail too.
    void cover(Balance& balance) {
        const Seat* seat = venue_.find_seat(balance.account, balance.instrument);
        const Wide locked = seat == nullptr ? 0 : seat->permission.locked_lots;
        const Wide owed_out = balance.owed_out == 0 ? Wide{0} : balance.owed_out + locked;
        const std::int64_t requested =
            static_cast<std::int64_t>(std::min(Wide{balance.asked}, std::max(Wide{0}, balance.level - owed_out)));
        if (requested != balance.requested) {
            venue_.touch(balance);
            add(balance.free, balance.requested - requested);
            balance.requested = requested;
        }
        for (std::uint32_t at = venue_.accounts[balance.account].orders_last; at != NIL && balance.free < locked;) {
            const Order& order = venue_.orders[at];
            const std::uint32_t before = venue_.next_if_closed(at, true);
            if (&balance == (order.side == BUY ? order.seat->cash : order.seat->tokens)) venue_.close(at, Reason::COVER_LOST);
            at = before;
        }
        if (requested == 0 || requested != balance.asked) {
            balance.announced = 0;
        } else if (requested != balance.announced) {
            venue_.tell(EventKind::WITHDRAWAL_READY, balance.instrument, balance.account).a = requested;
            balance.announced = requested;
        }
    }

    // -- batches

    void eject_trade(const Command& command) {
        const std::int64_t batch_id = command.a, attempt = command.b, trade_id = command.c;
        if (command.flags < static_cast<std::uint8_t>(Reason::SELLER_NOT_VERIFIED) ||
            command.flags > static_cast<std::uint8_t>(Reason::CHAIN_REFUSED))  // 0 would tell a failed trade as settled
            return venue_.reject(Reason::VALUE_OUT_OF_RANGE);
        const std::int64_t first = venue_.last_final_trade_id + 1;
        if (trade_id < first || trade_id > venue_.last_trade_id) return venue_.reject(Reason::BATCH_OUT_OF_ORDER);
        if (venue_.ejecting_batch_id != batch_id || venue_.ejecting_attempt != attempt) venue_.ejecting.clear();
        venue_.ejecting_batch_id = batch_id;
        venue_.ejecting_attempt = attempt;
        venue_.ejecting[trade_id] = command.flags;
        venue_.applied(0, venue_.unsettled[static_cast<std::size_t>(trade_id - first)].buyer->instrument->number);
    }

    void compose_batch(const Command& command) {
        const std::int64_t batch_id = command.a, attempt = command.b, trade_after = command.c, trade_last = command.d;
        Ejected ejected;
        if (venue_.ejecting_batch_id == batch_id && venue_.ejecting_attempt == attempt) std::swap(ejected, venue_.ejecting);
        venue_.ejecting.clear();
        venue_.ejecting_batch_id = venue_.ejecting_attempt = 0;
        const auto found = venue_.compositions.find(batch_id);
        const bool is_new = found == venue_.compositions.end();
        if (is_new) {
            if (batch_id != venue_.last_composed_batch_id + 1 || trade_after != venue_.last_composed_trade_id ||
                trade_after > trade_last || trade_last > venue_.last_trade_id || attempt < 1)
                return venue_.reject(Reason::BATCH_OUT_OF_ORDER);
        } else if (trade_after != found->second.trade_after || trade_last != found->second.trade_last ||
                   attempt < found->second.attempt) {
            return venue_.reject(Reason::BATCH_OUT_OF_ORDER);
        }
        if (static_cast<std::int64_t>(ejected.size()) != command.e || !are_within(ejected, trade_after, trade_last) ||
            (!is_new && !contains_all(ejected, found->second.attempts.back().second)))
            return venue_.reject(Reason::EJECTED_MISMATCH);
        Composition& composition =
            is_new ? venue_.compositions.emplace(batch_id, Composition{trade_after, trade_last}).first->second : found->second;
        composition.attempt = attempt;
        const Hash payload_hash = hash_of(command.text);
        std::erase_if(composition.attempts, [&](const auto& each) { return each.first == payload_hash; });
        composition.attempts.emplace_back(payload_hash, std::move(ejected));
        if (is_new) {
            venue_.last_composed_batch_id = batch_id;
            venue_.last_composed_trade_id = trade_last;
        }
        venue_.applied(0, VENUE);
    }

    void batch_final(const Command& command) {
        const std::int64_t batch_id = command.a;
        if (!is_next(VENUE, true, command)) return;
        const auto found = venue_.compositions.find(batch_id);
        const Ejected* ejected =
            found == venue_.compositions.end() ? nullptr : found->second.of(hash_of(command.text));
        if (ejected == nullptr || batch_id != venue_.last_final_batch_id + 1) return venue_.reject(Reason::BATCH_UNKNOWN);
        std::map<std::uint64_t, Balance*> moved;
        for (std::int64_t id = found->second.trade_after + 1; id <= found->second.trade_last; ++id) {
            const UnsettledTrade trade = venue_.unsettled.front();
            venue_.unsettled.pop_front();
            const auto failed = ejected->find(id);
            finish(trade, failed == ejected->end());
            for (Balance* balance : {trade.buyer->cash, trade.buyer->tokens, trade.seller->cash, trade.seller->tokens,
                                     trade.buyer->instrument->fees}) {
                venue_.touch(*balance);
                moved[balance->key()] = balance;
            }
            tell_settled(trade, id, command, failed == ejected->end() ? 0 : failed->second);
        }
        venue_.last_final_batch_id = batch_id;
        venue_.last_final_trade_id = found->second.trade_last;
        venue_.compositions.erase(found);
        move_to(command);
        for (const auto& [key, balance] : moved) {
            balance->asked = std::min(balance->asked, std::max<std::int64_t>(0, balance->level));
            cover(*balance);  // asked was lowered as the vault and the locker lower it
        }
        venue_.applied(0, VENUE);
    }

private:
    void refuse(Reason reason, const Command& command) { venue_.reject(reason, command.instrument, command.account); }

    static bool are_within(const Ejected& ejected, std::int64_t trade_after, std::int64_t trade_last) noexcept {
        return ejected.empty() || (trade_after < ejected.begin()->first && ejected.rbegin()->first <= trade_last);
    }

    static bool contains_all(const Ejected& ejected, const Ejected& earlier) {
        return std::all_of(earlier.begin(), earlier.end(), [&](const auto& each) { return ejected.contains(each.first); });
    }

    /// The trade stands on chain and what was owed is paid; or it never happens, and each side has back what it gave.
    static void finish(const UnsettledTrade& trade, bool settles) {
        const std::int64_t cost = trade.notional + trade.buyer_fee, proceeds = trade.notional - trade.seller_fee;
        const std::int64_t fees = trade.buyer_fee + trade.seller_fee;
        const bool resale = trade.resale != 0;
        Balance& fee_cash = *trade.buyer->instrument->fees;
        if (settles) {
            pay(*trade.buyer->cash, cost);
            pay(*trade.seller->tokens, trade.lots);
            receive(*trade.buyer->tokens, trade.lots, resale);
            receive(*trade.seller->cash, proceeds, resale);
            receive(fee_cash, fees, false);
            add(trade.buyer->tokens->position_lots, trade.lots);  // its exposure counted them as owed in
            trade.seller->tokens->position_lots -= trade.lots;
            trade.seller->exposure->add(-trade.lots);
        } else {
            get_back(*trade.buyer->cash, cost);
            get_back(*trade.seller->tokens, trade.lots);
            forgo(*trade.buyer->tokens, trade.lots, resale);
            forgo(*trade.seller->cash, proceeds, resale);
            forgo(fee_cash, fees, false);
            trade.buyer->exposure->add(-trade.lots);
        }
    }

    static void pay(Balance& balance, std::int64_t amount) {
        balance.owed_out -= amount;
        add(balance.level, -amount);
    }

    static void receive(Balance& balance, std::int64_t amount, bool resale) {
        balance.owed_in -= amount;
        add(balance.level, amount);
        if (resale) {
            balance.advanced -= amount;
        } else {
            add(balance.free, amount);
        }
    }

    static void get_back(Balance& balance, std::int64_t amount) {
        balance.owed_out -= amount;
        add(balance.free, amount);
    }

    static void forgo(Balance& balance, std::int64_t amount, bool resale) {
        balance.owed_in -= amount;
        if (!resale) return;
        balance.advanced -= amount;
        add(balance.free, -amount);
    }

    void tell_settled(const UnsettledTrade& trade, std::int64_t trade_id, const Command& command, std::uint8_t reason) {
        Event& event = venue_.tell(EventKind::TRADE_SETTLED, trade.buyer->instrument->number, trade.buyer->account->number);
        event.reason = reason;
        event.a = trade_id;
        event.b = command.a;
        event.c = trade.lots;
        event.d = trade.notional;
        event.e = trade.buyer_fee;
        event.f = trade.seller_fee;
        event.g = command.d;
        event.peer = trade.seller->account->number;
    }

    Venue& venue_;
};

}  // namespace deedbook
