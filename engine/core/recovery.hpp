// A lost wallet's place is taken by a new one: the account keeps its number, orders, holds and unsettled trades.
#pragma once

#include <cstdint>
#include <map>

#include "clearing.hpp"
#include "venue.hpp"

namespace deedbook {

class Recovery {
public:
    Recovery(Venue& venue, Clearing& clearing) noexcept : venue_(venue), clearing_(clearing) {}

    void migrate_wallet(const Command& command) {
        const std::uint16_t number = command.instrument;
        const std::int64_t level = command.b, asked = command.c;
        const Wallet lost = wallet_of(command.text), fresh = wallet_of(command.text2);
        if (!clearing_.is_next(number, number == USDC, command)) return;
        if (lost == fresh) return venue_.reject(Reason::VALUE_OUT_OF_RANGE, number);
        Account* giver = venue_.account_at(lost, number);
        const Wide left = Wide{level_of(lost, number)} - command.a, expected = Wide{level_of(fresh, number)} + command.f;
        const std::uint32_t whose = giver == nullptr ? 0 : giver->number;
        if (left != 0) return clearing_.stop_crediting(whose, command, left, 0);
        if (expected != level || !can_be(level, asked)) return clearing_.stop_crediting(whose, command, expected, level);
        const auto linked = venue_.wallets.find(fresh);
        if (giver != nullptr && (linked == venue_.wallets.end() || linked->second == whose)) {
            carry_over(*giver, number, fresh, level, asked);
        } else {
            set_level(lost, number, 0, 0);
            set_level(fresh, number, level, asked);
        }
        clearing_.move_to(command);
    }

private:
    std::int64_t level_of(const Wallet& wallet, std::uint16_t number) {
        if (Account* account = venue_.account_at(wallet, number)) return venue_.balance(*account, number).level;
        const auto parked = venue_.parked.find({wallet, number});
        return parked == venue_.parked.end() ? 0 : parked->second.level;
    }

    /// The new wallet is another account's, or the lost one was nobody's: each has what the chain says.
    void set_level(const Wallet& wallet, std::uint16_t number, std::int64_t level, std::int64_t asked) {
        if (Account* account = venue_.account_at(wallet, number))
            return clearing_.set_level(venue_.balance(*account, number), level, asked);
        Parked& slot = venue_.parked[{wallet, number}];
        slot.level = level;
        slot.asked = asked;
        Event& event = venue_.tell(EventKind::PARKED, number, 0);
        event.a = level;
        event.b = asked;
    }

    void carry_over(Account& account, std::uint16_t number, const Wallet& fresh, std::int64_t level, std::int64_t asked) {
        Balance& balance = venue_.balance(account, number);
        const Wallet lost = account.wallet_of(number);
        std::map<std::uint16_t, Wallet> stays;
        for (const Balance* each : account.balances) {
            const std::uint16_t asset = each->instrument;
            const Wallet& wallet = account.wallet_of(asset);
            const bool has_any = account.left_behind.contains(asset) || !each->is_empty();
            if (asset != number && has_any && wallet != fresh) stays[asset] = wallet;
        }
        account.wallet = fresh;
        venue_.wallets[fresh] = account.number;
        account.left_behind = std::move(stays);
        venue_.tell(EventKind::WALLET_MIGRATED, number, account.number);
        for (const auto& each : account.left_behind)
            venue_.tell(EventKind::WALLET_MIGRATED, each.first, account.number).flags = 1;
        std::int64_t position_lots = 0;
        if (const auto parked = venue_.parked.find({fresh, number}); parked != venue_.parked.end()) {
            position_lots = parked->second.position_lots;
            venue_.parked.erase(parked);
        }
        if (balance.position_lots != 0) venue_.parked[{lost, number}] = {0, 0, balance.position_lots};
        if (number != USDC) clearing_.set_position(balance, position_lots);
        clearing_.set_level(balance, level, asked);
        clearing_.adopt_parked(account);
    }

    Venue& venue_;
    Clearing& clearing_;
};

}  // namespace deedbook
