// What an instrument does when: phases set by command and ended by time, calls with their uncross.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "auction.hpp"
#include "venue.hpp"

namespace deedbook {

class Phases {
public:
    Phases(Venue& venue, Auction& auction) noexcept : venue_(venue), auction_(auction) {}

    void set_phase(const Command& command) {
        const std::uint16_t number = command.instrument;
        const std::uint8_t phase = command.flags;
        Instrument* instrument = venue_.instrument(number);
        if (number != VENUE && instrument == nullptr) return venue_.reject(Reason::UNKNOWN_INSTRUMENT, number);
        if (command.count > 1 || !can_be(command)) return venue_.reject(Reason::VALUE_OUT_OF_RANGE, number);
        if (instrument == nullptr) {
            set_venue(phase);
            return end_day(command);
        }
        if (is_trading(phase)) {
            const bool is_crossed = instrument->is_crossed();
            if (is_crossed && venue_.phase != CONTINUOUS)
                return venue_.reject(venue_.phase == HALT ? Reason::INSTRUMENT_HALTED : Reason::CANCEL_ONLY, number);
            if (is_crossed || is_collecting(instrument->phase)) auction_.uncross(*instrument);
        }
        enter(*instrument, phase, command.a, command.side);
        end_day(command);
    }

    /// A phase's time has come, unless it was set anew since; while the venue stands nothing trades, so it waits.
    void end(std::uint16_t number, std::int64_t due_ns) {
        Instrument& instrument = *venue_.instrument(number);
        if (due_ns == 0 || due_ns != instrument.phase_ends_ns || due_ns > venue_.time_ns || venue_.phase != CONTINUOUS)
            return;
        auction_.uncross(instrument);
        enter(instrument, instrument.phase_then, 0, CONTINUOUS);
    }

    void tell_indicative(std::uint16_t number, std::int64_t due_ns) {
        Instrument& instrument = *venue_.instrument(number);
        if (instrument.indicative_due_ns != due_ns) return;
        instrument.indicative_due_ns = 0;
        auction_.tell_indicative(instrument);
    }

    /// A new period counts from the next uncross on.
    void set_auctions(const Command& command) {
        Instrument* instrument = venue_.instrument(command.instrument);
        if (instrument == nullptr) return venue_.reject(Reason::UNKNOWN_INSTRUMENT, command.instrument);
        if (command.a < 0 || command.a > PERIOD_NS_MAX)
            return venue_.reject(Reason::VALUE_OUT_OF_RANGE, command.instrument);
        instrument->period_ns = command.a;
        venue_.applied(0, command.instrument);
    }

private:
    /// DAY orders close, the oldest first, in one instrument or in all, where the command ends the day.
    void end_day(const Command& command) {
        if (command.count == 0) return;
        std::vector<std::uint32_t> places;
        venue_.each_order([&](std::uint32_t place) {
            const Order& order = venue_.orders[place];
            const bool is_here = command.instrument == VENUE || order.seat->instrument->number == command.instrument;
            if (order.time_in_force == DAY && is_here) places.push_back(place);
        });
        for (const std::uint32_t place : places) venue_.close(place, Reason::EXPIRED);
    }

    static constexpr std::int64_t PERIOD_NS_MAX = 24LL * 3600 * 1'000'000'000;

    /// Whether a command may name the end of such a phase.
    static bool is_timed(std::uint8_t phase) noexcept { return is_call(phase) && phase != PERIODIC_CALL; }

    bool can_be(const Command& command) const noexcept {
        const std::uint8_t phase = command.flags, then = command.side;
        if (command.instrument == VENUE) return phase <= HALT && command.a == 0 && then == 0;
        if (std::max(phase, then) > LIMIT_ONLY || is_timed(then)) return false;
        if (is_timed(phase) && command.a != 0) return command.a > venue_.time_ns;
        return command.a == 0 && then == 0;
    }

    /// Calls whose time came while the venue stood end now.
    void set_venue(std::uint8_t phase) {
        venue_.phase = phase;
        venue_.tell(EventKind::PHASE_CHANGED, VENUE, 0).flags = phase;
        for (std::size_t number = 1; number < venue_.instruments.size(); ++number) {
            venue_.stir(*venue_.instruments[number]);
            end(static_cast<std::uint16_t>(number), venue_.instruments[number]->phase_ends_ns);
        }
    }

    void enter(Instrument& instrument, std::uint8_t phase, std::int64_t ends_ns, std::uint8_t then) {
        const std::int64_t period_ns = instrument.period_ns;
        if (phase == PERIODIC_CALL && period_ns != 0) {
            ends_ns = (venue_.time_ns / period_ns + 1) * period_ns;
            then = phase;
        }
        venue_.enter(instrument, phase, ends_ns, then);
    }

    Venue& venue_;
    Auction& auction_;
};

}  // namespace deedbook
