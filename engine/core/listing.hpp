// Who may do what, and where: accounts opened, permissions set and ended, instruments listed, fees set.
#pragma once

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <memory>
#include <string>

#include "clearing.hpp"
#include "venue.hpp"

namespace deedbook {

class Listing {
public:
    Listing(Venue& venue, Clearing& clearing) noexcept : venue_(venue), clearing_(clearing) {}

    void open_account(const Command& command) {
        const Wallet wallet = wallet_of(command.text);
        if (const auto found = venue_.wallets.find(wallet); found != venue_.wallets.end())
            return venue_.reject(Reason::ACCOUNT_EXISTS, 0, found->second);
        const std::uint32_t number = static_cast<std::uint32_t>(venue_.accounts.size());
        Account& account = venue_.accounts.push_back({number, command.count, wallet});
        venue_.wallets.emplace(wallet, number);
        venue_.tell(EventKind::ACCOUNT_OPENED, 0, number).peer = command.count;
        clearing_.adopt_parked(account);
    }

    void set_permission(const Command& command) {
        Instrument* instrument = venue_.instrument(command.instrument);
        if (instrument == nullptr) return refuse(Reason::UNKNOWN_INSTRUMENT, command);
        Account* account = venue_.account(command.account);
        if (account == nullptr) return refuse(Reason::UNKNOWN_ACCOUNT, command);
        if (command.side > 1 || command.flags > 1 || command.a < 0 || command.d < 0)
            return refuse(Reason::VALUE_OUT_OF_RANGE, command);
        Seat& seat = venue_.seat(*account, *instrument);
        if (seat.permission.is_set && !seat.permission.ended) venue_.forget_due();
        seat.permission = {true, command.a <= venue_.time_ns, command.side, command.flags,
                           command.a, command.d, command.c, hash_of(command.text)};
        if (!seat.permission.ended) venue_.push_due({command.a, DueKind::PERMISSION, command.account, command.instrument});
        venue_.applied(command.account, command.instrument);
        venue_.close_unpermitted(seat);
        clearing_.cover(*seat.tokens);
    }

    /// Its time has come, unless it was set anew since.
    void end_permission(const Due& due) {
        Instrument& instrument = *venue_.instrument(due.instrument);
        const std::uint32_t account = static_cast<std::uint32_t>(due.number);
        Seat& seat = venue_.seat(venue_.accounts[account], instrument);
        if (seat.permission.valid_until_ns != due.when_ns || seat.permission.ended) return;
        seat.permission.ended = true;
        venue_.tell(EventKind::PERMISSION_ENDED, due.instrument, account);
        venue_.close_unpermitted(seat);
    }

    void set_instrument(const Command& command) {
        const std::uint16_t number = command.instrument;
        const Terms terms = terms_of(command);
        if (number == 0 || number > venue_.instruments.size())
            return venue_.reject(Reason::UNKNOWN_INSTRUMENT, number);
        Account* fee_account = venue_.account(terms.fee_account);
        if (fee_account == nullptr) return venue_.reject(Reason::UNKNOWN_ACCOUNT, number, terms.fee_account);
        Instrument* listed = venue_.instrument(number);
        if (listed != nullptr && !is_same(listed->terms, terms))
            return venue_.reject(Reason::INSTRUMENT_CHANGED, number);
        if (!is_in_range(terms) || is_taken(terms.symbol, listed))
            return venue_.reject(Reason::VALUE_OUT_OF_RANGE, number);
        if (listed == nullptr) {
            Balance& fees = venue_.balance(*fee_account, USDC);
            venue_.instruments.push_back(std::make_unique<Instrument>(Instrument{number, terms, &fees}));
        } else {
            listed->terms = terms;
        }
        venue_.applied(0, number);
    }

    void set_fees(const Command& command) {
        Instrument* instrument = venue_.instrument(command.instrument);
        if (instrument == nullptr) return venue_.reject(Reason::UNKNOWN_INSTRUMENT, command.instrument);
        if (command.a < 0 || command.a > FEE_BPS_MAX || command.b < 0 || command.b > FEE_BPS_MAX)
            return venue_.reject(Reason::VALUE_OUT_OF_RANGE, command.instrument);
        instrument->maker_fee_bps = command.a;
        instrument->taker_fee_bps = command.b;
        venue_.applied(0, command.instrument);
    }

private:
    static constexpr std::int64_t FEE_BPS_MAX = 1'000, COLLAR_BPS_MAX = 9'999;
    static constexpr std::size_t SYMBOL_BYTES_MAX = 16;
    static constexpr std::uint8_t LOT_DECIMALS_MAX = 12;

    void refuse(Reason reason, const Command& command) { venue_.reject(reason, command.instrument, command.account); }

    static Terms terms_of(const Command& command) {
        Terms terms{.fee_account = command.account,
                    .tick_value_usdc_micros = command.a,
                    .price_ticks_max = command.b,
                    .qty_lots_max = command.c,
                    .notional_usdc_micros_min = command.d,
                    .market_collar_bps = command.e,
                    .open_orders_max = command.f,
                    .ownership_cap_lots = command.g,
                    .holder_cap = command.count,
                    .resale = command.flags,
                    .lot_decimals = command.side,
                    .symbol = std::string(command.text.data(), command.text.size()),
                    .token = wallet_of(command.text2)};
        terms.symbol.erase(terms.symbol.find_last_not_of('\0') + 1);
        return terms;
    }

    /// What open orders, holds, trades and the chain rest on, and so never changes.
    static bool is_same(const Terms& one, const Terms& other) {
        return one.tick_value_usdc_micros == other.tick_value_usdc_micros && one.fee_account == other.fee_account &&
               one.symbol == other.symbol && one.token == other.token && one.lot_decimals == other.lot_decimals;
    }

    bool is_taken(const std::string& symbol, const Instrument* by) const {
        return std::any_of(venue_.instruments.begin() + 1, venue_.instruments.end(),
                           [&](const auto& other) { return other.get() != by && other->terms.symbol == symbol; });
    }

    static bool is_in_range(const Terms& terms) {
        if (std::min({terms.tick_value_usdc_micros, terms.price_ticks_max, terms.qty_lots_max, terms.open_orders_max}) < 1)
            return false;
        const Wide dearest = Wide{terms.price_ticks_max} * terms.qty_lots_max;
        if (dearest > AMOUNT_MAX || dearest * terms.tick_value_usdc_micros > AMOUNT_MAX) return false;
        const bool is_plain = std::all_of(terms.symbol.begin(), terms.symbol.end(), [](char letter) {
            return ('0' <= letter && letter <= '9') || ('A' <= letter && letter <= 'Z') || ('a' <= letter && letter <= 'z');
        });
        return std::min(terms.notional_usdc_micros_min, terms.ownership_cap_lots) >= 0 && terms.market_collar_bps >= 0 &&
               terms.market_collar_bps <= COLLAR_BPS_MAX && terms.resale <= 1 && is_plain && !terms.symbol.empty() &&
               terms.symbol.size() <= SYMBOL_BYTES_MAX && terms.lot_decimals <= LOT_DECIMALS_MAX;
    }

    Venue& venue_;
    Clearing& clearing_;
};

}  // namespace deedbook
