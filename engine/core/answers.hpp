// The answers to plain requests, from the durable events of their commands: an order's ACK, RESULT or FULL, the cancel of
// a plain limit order, and a refusal. Everything else is the gateway's own (gateway/reports.py), which is the rule for these too: a
// test compares them byte for byte.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "requests.hpp"
#include "wire.hpp"

namespace deedbook {

/// Whom to answer: JSON texts, the second empty where no rateLimits are wanted; what a cancel goes by, and how much an
/// order's answer tells.
struct Question {
    std::string_view id, limits, cancel_id;
    Response response;
};

class AnswerWriter {
public:
    void list(std::string symbol, const Scale& scale) {
        listed_.insert_or_assign(scale.instrument, Listed{std::move(symbol), scale});
    }

    /// What a refusal of this kind of command for this reason is told as: an error, JSON text.
    void refuse_with(std::uint8_t kind, std::uint8_t reason, std::string error) {
        errors_.insert_or_assign(kind << 8 | reason, std::move(error));
    }

    /// The answer as a whole websocket frame, good until the next call; empty where it is not to be written here.
    std::string_view write(const Command& command, std::span<const Event> events, Question question) {
        const Event* const refused = first(events, EventKind::REJECTED);
        if (refused != nullptr) return refusal(command, *refused, question);
        const Event* const accepted = first(events, EventKind::ACCEPTED);
        if (command.kind == PLACE && accepted != nullptr) return placed(command, *accepted, events, question);
        const Event* const closed = first(events, EventKind::CLOSED);
        return command.kind == CANCEL && closed != nullptr ? cancelled(command, *closed, question) : std::string_view();
    }

    /// To be told of every command, after its answer was written: which plain orders rest.
    void follow(const Command& command, std::span<const Event> events) {
        for (const Event& event : events) {
            switch (static_cast<EventKind>(event.kind)) {
                case EventKind::ACCEPTED:
                    if (!is_plain(command) || event.e == 0) break;
                    resting_.insert_or_assign(event.a, Resting{command.text, event.c, command.self_trade});
                    break;
                case EventKind::TRADE:
                    if (event.flags & MAKER_FILLED) resting_.erase(event.b);
                    if (event.flags & TAKER_FILLED) resting_.erase(event.c);
                    break;
                case EventKind::PREVENTED:  // no longer plain, as after AMENDED: they have other quantities
                    resting_.erase(event.b);
                    resting_.erase(event.c);
                    break;
                case EventKind::CLOSED:
                case EventKind::AMENDED:
                    resting_.erase(event.a);
                    break;
                default: break;
            }
        }
    }

private:
    struct Listed {
        std::string symbol;
        Scale scale;
    };

    struct Resting {
        Text client_id;
        std::int64_t qty_lots;
        std::uint8_t self_trade;
    };

    static bool is_plain(const Command& command) {
        return command.kind == PLACE && command.order_type == LIMIT && command.time_in_force == GTC &&
               command.self_trade < std::size(SELF_TRADES) && (command.f | command.g) == 0;
    }

    static constexpr std::string_view SIDES[] = {"BUY", "SELL"};
    static constexpr std::string_view TIMES_IN_FORCE[] = {"", "GTC", "IOC", "FOK"};
    static constexpr std::string_view SELF_TRADES[] = {"NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"};
    static constexpr int USDC_DECIMALS = 6;
    static constexpr std::size_t HEAD_BYTES_MAX = 4;  // of a frame of less than 64 KiB

    static const Event* first(std::span<const Event> events, EventKind kind) {
        const auto is_wanted = [kind](const Event& event) { return event.kind == static_cast<std::uint8_t>(kind); };
        const auto found = std::find_if(events.begin(), events.end(), is_wanted);
        return found == events.end() ? nullptr : &*found;
    }

    std::string_view placed(const Command& command, const Event& accepted, std::span<const Event> events,
                            Question question) {
        const auto listed = listed_.find(accepted.instrument);
        const bool tells_more = question.response != Response::ACK;
        if (listed == listed_.end() || (tells_more && !is_told(command, accepted.a, events))) return {};
        const auto& [symbol, scale] = listed->second;
        start(question, 200);
        add(",\"result\":{\"symbol\":\"", symbol, "\",\"orderId\":");
        add(accepted.a);
        add(",\"orderListId\":-1,\"clientOrderId\":\"", whole(command.text), "\",\"transactTime\":");
        add(command.time_ns / 1'000'000);
        if (tells_more) {
            add(State{command.a, command.b, accepted.d, accepted.h, status(command, accepted, events), command.time_in_force,
                      command.order_type, command.side, command.self_trade},
                scale);
            add(",\"workingTime\":");
            add(command.time_ns / 1'000'000);
        }
        if (question.response == Response::FULL) fills(accepted.a, events, scale);
        add("}");
        return end(question);
    }

    /// Whether an order of this kind, to which that happened, is told more of than an ACK here.
    static bool is_told(const Command& command, std::int64_t order_id, std::span<const Event> events) {
        const auto is_other = [order_id](const Event& event) {  // a stop that it triggered has met it, in turn
            return event.b == order_id && (event.kind == static_cast<std::uint8_t>(EventKind::TRADE) ||
                                           event.kind == static_cast<std::uint8_t>(EventKind::PREVENTED));
        };
        return (command.order_type == LIMIT || command.order_type == MARKET) && (command.c | command.f | command.g) == 0 &&
               command.time_in_force < std::size(TIMES_IN_FORCE) && command.self_trade < std::size(SELF_TRADES) &&
               std::none_of(events.begin(), events.end(), is_other);
    }

    struct State {
        std::int64_t price_ticks, qty_lots, executed_lots, executed_usdc_micros;
        std::string_view status;
        std::uint8_t time_in_force, order_type, side, self_trade;
    };

    /// How an order stands: what the answers to its place and to its cancel have in common.
    void add(const State& state, const Scale& scale) {
        add(",\"price\":\"");
        add(state.price_ticks * scale.price_step, scale.price_decimals);
        add("\",\"origQty\":\"");
        add(state.qty_lots, scale.lot_decimals);
        add("\",\"executedQty\":\"");
        add(state.executed_lots, scale.lot_decimals);
        add("\",\"origQuoteOrderQty\":\"0.000000\",\"cummulativeQuoteQty\":\"");
        add(state.executed_usdc_micros, USDC_DECIMALS);
        add("\",\"status\":\"", state.status, "\",\"timeInForce\":\"", TIMES_IN_FORCE[state.time_in_force]);
        add("\",\"type\":\"", state.order_type == LIMIT ? "LIMIT" : "MARKET", "\",\"side\":\"", SIDES[state.side]);
        add("\",\"selfTradePreventionMode\":\"", SELF_TRADES[state.self_trade], "\"");
    }

    static std::string_view status(const Command& command, const Event& accepted, std::span<const Event> events) {
        for (const Event& event : events) {
            if (event.kind != static_cast<std::uint8_t>(EventKind::CLOSED) || event.a != accepted.a) continue;
            return event.reason == static_cast<std::uint8_t>(Reason::SELF_TRADE) ? "EXPIRED_IN_MATCH" : "EXPIRED";
        }
        if (accepted.d == command.b) return "FILLED";
        return accepted.d > 0 ? "PARTIALLY_FILLED" : "NEW";
    }

    void fills(std::int64_t order_id, std::span<const Event> events, const Scale& scale) {
        std::string_view before = ",\"fills\":[";
        for (const Event& event : events) {
            if (event.kind != static_cast<std::uint8_t>(EventKind::TRADE) || event.c != order_id) continue;
            add(std::exchange(before, ","), "{\"price\":\"");
            add(event.d * scale.price_step, scale.price_decimals);
            add("\",\"qty\":\"");
            add(event.e, scale.lot_decimals);
            add("\",\"commission\":\"");
            add(event.h, USDC_DECIMALS);
            add("\",\"commissionAsset\":\"USDC\",\"tradeId\":");
            add(event.a);
            add("}");
        }
        add(before == "," ? "]" : ",\"fills\":[]");
    }

    std::string_view cancelled(const Command& command, const Event& closed, Question question) {
        const auto listed = listed_.find(closed.instrument);
        const auto found = resting_.find(closed.a);
        if (closed.reason != static_cast<std::uint8_t>(Reason::CANCELLED)) return {};
        if (listed == listed_.end() || found == resting_.end()) return {};
        const auto& [symbol, scale] = listed->second;
        const Resting& order = found->second;
        start(question, 200);
        add(",\"result\":{\"symbol\":\"", symbol, "\",\"origClientOrderId\":\"", whole(order.client_id), "\",\"orderId\":");
        add(closed.a);
        add(",\"orderListId\":-1,\"clientOrderId\":\"", question.cancel_id, "\",\"transactTime\":");
        add(command.time_ns / 1'000'000);
        add(State{closed.e, order.qty_lots, closed.c, closed.d, "CANCELED", GTC, LIMIT, closed.side, order.self_trade}, scale);
        add("}");
        return end(question);
    }

    static std::string_view whole(const Text& id) { return {id.begin(), std::find(id.begin(), id.end(), '\0')}; }

    /// An id that is in use names the order that has it: not here.
    std::string_view refusal(const Command& command, const Event& refused, Question question) {
        const auto error = errors_.find(command.kind << 8 | refused.reason);
        if (error == errors_.end() || refused.a != 0) return {};
        start(question, 400);
        add(",\"error\":", error->second);
        return end(question);
    }

    // -- the frame

    void start(Question question, std::int64_t status) {
        text_.assign(HEAD_BYTES_MAX, '\0');
        add("{\"id\":", question.id, ",\"status\":");
        add(status);
    }

    std::string_view end(Question question) {
        if (!question.limits.empty()) add(",\"rateLimits\":[", question.limits, "]");
        add("}");
        const std::size_t length = text_.size() - HEAD_BYTES_MAX;
        if (length > 0xFFFF) return {};
        const bool is_short = length < 126;
        char* const head = text_.data() + (is_short ? 2 : 0);
        head[0] = '\x81';
        head[1] = static_cast<char>(is_short ? length : 126);
        if (!is_short) {
            head[2] = static_cast<char>(length >> 8);
            head[3] = static_cast<char>(length & 0xFF);
        }
        return std::string_view(text_).substr(is_short ? 2 : 0);
    }

    template <typename... Parts>
    void add(std::string_view part, Parts... others) {
        text_.append(part);
        (text_.append(others), ...);
    }

    void add(std::int64_t number) {
        char digits[20];
        text_.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
    }

    /// Units of 10**-decimals, none negative, with all their digits.
    void add(std::int64_t units, int decimals) {
        char digits[20];
        const std::string_view number(digits, std::to_chars(digits, digits + sizeof digits, units).ptr);
        const auto places = static_cast<std::size_t>(decimals);
        if (places == 0) return add(number);
        const std::size_t before = number.size() > places ? number.size() - places : 0;
        add(before ? number.substr(0, before) : "0", ".");
        text_.append(places - (number.size() - before), '0');
        add(number.substr(before));
    }

    std::unordered_map<std::uint16_t, Listed> listed_;
    std::unordered_map<std::int64_t, Resting> resting_;
    std::unordered_map<int, std::string> errors_;
    std::string text_;
};

}  // namespace deedbook
