// The answers to plain requests, from the durable events of their commands: an order's ACK, and a refusal. Everything
// else is the gateway's own (gateway/reports.py), which is the rule for these too: a test compares them byte for byte.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "wire.hpp"

namespace deedbook {

/// Whom to answer: JSON texts, the second empty where no rateLimits are wanted.
struct Question {
    std::string_view id, limits;
};

class AnswerWriter {
public:
    void list(std::uint16_t instrument, std::string symbol) { symbols_.insert_or_assign(instrument, std::move(symbol)); }

    /// What a refusal of this kind of command for this reason is told as: an error, JSON text.
    void refuse_with(std::uint8_t kind, std::uint8_t reason, std::string error) {
        errors_.insert_or_assign(kind << 8 | reason, std::move(error));
    }

    /// The answer as a whole websocket frame, good until the next call; empty where it is not to be written here.
    std::string_view write(const Command& command, std::span<const Event> events, Question question) {
        const Event* const refused = first(events, EventKind::REJECTED);
        if (refused != nullptr) return refusal(command, *refused, question);
        const Event* const accepted = first(events, EventKind::ACCEPTED);
        return command.kind == PLACE && accepted != nullptr ? ack(command, *accepted, question) : std::string_view();
    }

private:
    static constexpr std::size_t HEAD_BYTES_MAX = 4;  // of a frame of less than 64 KiB

    static const Event* first(std::span<const Event> events, EventKind kind) {
        const auto is_wanted = [kind](const Event& event) { return event.kind == static_cast<std::uint8_t>(kind); };
        const auto found = std::find_if(events.begin(), events.end(), is_wanted);
        return found == events.end() ? nullptr : &*found;
    }

    std::string_view ack(const Command& command, const Event& accepted, Question question) {
        const auto symbol = symbols_.find(accepted.instrument);
        if (symbol == symbols_.end()) return {};
        start(question, 200);
        add(",\"result\":{\"symbol\":\"", symbol->second, "\",\"orderId\":");
        add(accepted.a);
        const Text& id = command.text;
        const std::string_view client_id(id.begin(), std::find(id.begin(), id.end(), '\0'));
        add(",\"orderListId\":-1,\"clientOrderId\":\"", client_id, "\",\"transactTime\":");
        add(command.time_ns / 1'000'000);
        add("}");
        return end(question);
    }

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

    std::unordered_map<std::uint16_t, std::string> symbols_;
    std::unordered_map<int, std::string> errors_;
    std::string text_;
};

}  // namespace deedbook
