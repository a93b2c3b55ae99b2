// The exchange as a function: the same commands in, the same events out as engine/exchange.py, byte for byte.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "bands.hpp"
#include "broken_rule.hpp"
#include "clearing.hpp"
#include "ex_date.hpp"
#include "limits.hpp"
#include "list_orders.hpp"
#include "listing.hpp"
#include "lookahead.hpp"
#include "phases.hpp"
#include "recovery.hpp"
#include "restore.hpp"
#include "snapshot.hpp"
#include "trading.hpp"
#include "triggers.hpp"
#include "venue.hpp"

namespace deedbook {

/// One thread owns it; it takes no lock. The event buffer is its own and stands until the next call.
class Exchange {
public:
    Exchange() = default;
    Exchange(const Exchange&) = delete;
    Exchange& operator=(const Exchange&) = delete;

    std::uint64_t seq() const noexcept { return venue_.seq; }
    std::int64_t time_ns() const noexcept { return venue_.time_ns; }
    std::int64_t next_due_ns() const noexcept { return venue_.due.empty() ? 0 : venue_.due.front().when_ns; }

    /// Applies stamped commands, whole records. Throws BrokenRule for a mistake of ours; the exchange is unusable then.
    std::string_view apply(std::string_view commands) {
        require(commands.size() % sizeof(Command) == 0, "no whole number of commands");
        venue_.events.clear();
        Lookahead lookahead(venue_, commands);
        for (std::size_t at = 0; at < commands.size(); at += sizeof(Command)) {
            lookahead.at(at);
            apply_at(commands, at);
        }
        return {reinterpret_cast<const char*>(venue_.events.data()), venue_.events.size() * sizeof(Event)};
    }

    /// The same, and how long each command took; their events are not told.
    std::vector<std::uint32_t> service_times_ns(std::string_view commands) {
        using Clock = std::chrono::steady_clock;
        require(commands.size() % sizeof(Command) == 0, "no whole number of commands");
        venue_.events.clear();
        std::vector<std::uint32_t> times_ns;
        Clock::time_point before = Clock::now();
        for (std::size_t at = 0; at < commands.size(); at += sizeof(Command)) {
            apply_at(commands, at);
            const Clock::time_point now = Clock::now();
            times_ns.push_back(static_cast<std::uint32_t>(std::chrono::nanoseconds(now - before).count()));
            before = now;
        }
        return times_ns;
    }

    std::string snapshot() const { return Snapshot(venue_).encode(); }

    /// Throws BrokenRule where it is no snapshot of this version. Only for a new exchange.
    void restore(std::string_view image) { Restore(image, venue_).run(); }

private:
    void apply_at(std::string_view commands, std::size_t at) {
        Command command;
        std::memcpy(&command, commands.data() + at, sizeof command);
        apply_one(command);
    }

    void apply_one(const Command& command) {
        require(command.seq == venue_.seq + 1, "a gap between the seqs");
        require(command.time_ns >= venue_.time_ns, "time runs back");
        venue_.seq = command.seq;
        venue_.time_ns = command.time_ns;
        while (!venue_.due.empty() && venue_.due.front().when_ns <= venue_.time_ns) expire();
        dispatch(command);
        triggers_.run();
        venue_.tell_balances();
    }

    /// What the time has made due: by when, then orders, permissions, calls, and what they come to, by number.
    void expire() {
        const Due due = venue_.pop_due();
        switch (due.kind) {
            case DueKind::ORDER: return close_expired(venue_.index.find(due.number));
            case DueKind::PERMISSION: return listing_.end_permission(due);
            case DueKind::PHASE:
                phases_.end(static_cast<std::uint16_t>(due.number), due.when_ns);
                return triggers_.run();
            case DueKind::INDICATIVE: return phases_.tell_indicative(static_cast<std::uint16_t>(due.number), due.when_ns);
        }
    }

    void close_expired(std::uint32_t place) {
        if (place != NIL) venue_.close(place, Reason::EXPIRED);
    }

    void dispatch(const Command& command) {
        switch (command.kind) {
            case PLACE: return trading_.place(command);
            case CANCEL: return trading_.cancel(command);
            case AMEND: return trading_.amend(command);
            case REPLACE: return trading_.replace(command);
            case CANCEL_ALL: return trading_.cancel_all(command);
            case LIST_LEG: return list_orders_.leg(command);
            case PLACE_LIST: return list_orders_.place(command);
            case OPEN_ACCOUNT: return listing_.open_account(command);
            case SET_PERMISSION: return listing_.set_permission(command);
            case SET_INSTRUMENT: return listing_.set_instrument(command);
            case SET_FEES: return listing_.set_fees(command);
            case SET_PHASE: return phases_.set_phase(command);
            case SET_BANDS: return set_bands(venue_, command);
            case SET_AUCTIONS: return phases_.set_auctions(command);
            case LEVEL_CHANGED: return clearing_.level_changed(command);
            case POSITION_CHANGED: return clearing_.position_changed(command);
            case KILL_SWITCH: return guard_.kill_switch(command);
            case SET_LIMITS: return guard_.set_limits(command);
            case MIGRATE_WALLET: return recovery_.migrate_wallet(command);
            case EX_DATE: return ex_date(venue_, command);
            case ADJUST: return clearing_.adjust(command);
            case EJECT_TRADE: return clearing_.eject_trade(command);
            case COMPOSE_BATCH: return clearing_.compose_batch(command);
            case BATCH_FINAL: return clearing_.batch_final(command);
            case CLOCK: return;  // its time has been taken already
            default: throw BrokenRule{"a command of an unknown kind"};
        }
    }

    Venue venue_;
    Auction auction_{venue_};
    Trading trading_{venue_, auction_};
    ListOrders list_orders_{venue_, trading_};
    Triggers triggers_{venue_, trading_};
    Clearing clearing_{venue_};
    Guard guard_{venue_};
    Recovery recovery_{venue_, clearing_};
    Listing listing_{venue_, clearing_};
    Phases phases_{venue_, auction_};
};

}  // namespace deedbook
