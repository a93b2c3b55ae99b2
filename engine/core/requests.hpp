// The two requests that make up nearly all of a market's traffic, order.place and order.cancel, from their JSON text
// to a command, in one pass. It knows the plain form of each and nothing else: whatever differs from it in any way is
// refused here, so that the gateway's own decoder, which is the rule, reads it and says what is wrong.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "wire.hpp"

namespace deedbook {

/// What one instrument's decimals mean: a price is `price_step` units of 10**-price_decimals a tick.
struct Scale {
    std::uint16_t instrument;
    int price_decimals;
    std::int64_t price_step;
    int lot_decimals;
};

/// Which answer a place asks for; NONE leaves it to the order's type.
enum class Response : std::uint8_t { NONE = 0, ACK = 1, RESULT = 2, FULL = 3 };

struct PlainRequest {
    Command command;
    std::string_view id;  // JSON text
    Response response;
    std::int64_t timestamp;  // as sent; 0: none
};

class RequestReader {
public:
    void list(std::string symbol, Scale scale) { scales_.insert_or_assign(std::move(symbol), scale); }

    /// False where the message is not of the plain form; `request` is then half written.
    bool read(std::string_view message, std::uint32_t account, PlainRequest& request) {
        at_ = message.data();
        end_ = at_ + message.size();
        request.command = Command{};
        request.command.account = account;
        request.id = "null";
        request.response = Response::NONE;
        request.timestamp = 0;
        fields_ = Fields{};
        if (!envelope(request) || at_ != end_) return false;
        const auto scale = scales_.find(std::string(fields_.symbol));
        if (scale == scales_.end()) return false;
        request.command.instrument = scale->second.instrument;
        if (fields_.method == "order.place") return place(scale->second, request);
        return fields_.method == "order.cancel" && cancel(request.command);
    }

private:
    struct Fields {
        std::string_view method, symbol, side, type, time_in_force, price, quantity, client_id, response, self_trade,
            order_id, original_id, timestamp;
    };

    // -- the text

    void space() {
        while (at_ != end_ && (*at_ == ' ' || *at_ == '\n' || *at_ == '\r' || *at_ == '\t')) ++at_;
    }

    bool take(char wanted) {
        space();
        if (at_ == end_ || *at_ != wanted) return false;
        ++at_;
        return true;
    }

    /// A string without escapes or anything but printable ASCII.
    bool text(std::string_view& value) {
        if (!take('"')) return false;
        const char* const start = at_;
        while (at_ != end_ && *at_ != '"') {
            const auto byte = static_cast<unsigned char>(*at_++);
            if (byte < ' ' || byte == '\\' || byte > '~') return false;
        }
        if (at_ == end_) return false;
        value = {start, static_cast<std::size_t>(at_ - start)};
        ++at_;
        return true;
    }

    /// A whole number without sign or leading zeros.
    bool number(std::string_view& value) {
        space();
        const char* const start = at_;
        while (at_ != end_ && *at_ >= '0' && *at_ <= '9') ++at_;
        value = {start, static_cast<std::size_t>(at_ - start)};
        return !value.empty() && value.size() <= 18 && (value[0] != '0' || value.size() == 1);
    }

    bool id(std::string_view& value) {
        space();
        if (at_ == end_ || *at_ != '"') return number(value);
        std::string_view inside;
        if (!text(inside) || inside.size() > 250) return false;
        value = {inside.data() - 1, inside.size() + 2};
        return true;
    }

    /// `{"name": value, ...}`: `field(name)` reads one value; none twice.
    template <typename Field>
    bool object(Field field) {
        if (!take('{')) return false;
        do {
            std::string_view name;
            if (!text(name) || !take(':') || !field(name)) return false;
        } while (take(','));
        return take('}');
    }

    bool once(std::string_view& slot) { return slot.data() == nullptr && text(slot); }

    bool envelope(PlainRequest& request) {
        bool has_id = false, has_params = false;
        const bool read = object([&](std::string_view name) {
            if (name == "method") return once(fields_.method);
            if (name == "id") return !std::exchange(has_id, true) && id(request.id);
            if (name == "params") return !std::exchange(has_params, true) && params(request.timestamp);
            return false;
        });
        if (!read || !has_params) return false;
        space();
        return true;
    }

    bool params(std::int64_t& timestamp) {
        const bool read = object([&](std::string_view name) {
            if (name == "symbol") return once(fields_.symbol);
            if (name == "side") return once(fields_.side);
            if (name == "type") return once(fields_.type);
            if (name == "timeInForce") return once(fields_.time_in_force);
            if (name == "price") return once(fields_.price);
            if (name == "quantity") return once(fields_.quantity);
            if (name == "newClientOrderId") return once(fields_.client_id);
            if (name == "newOrderRespType") return once(fields_.response);
            if (name == "selfTradePreventionMode") return once(fields_.self_trade);
            if (name == "origClientOrderId") return once(fields_.original_id);
            std::string_view& slot = name == "timestamp" ? fields_.timestamp : fields_.order_id;
            return (name == "timestamp" || name == "orderId") && slot.data() == nullptr && number(slot);
        });
        timestamp = whole(fields_.timestamp);
        return read && (fields_.timestamp.data() == nullptr || timestamp > 0);
    }

    // -- what it means

    static std::int64_t whole(std::string_view digits) {
        std::int64_t value = 0;
        std::from_chars(digits.data(), digits.data() + digits.size(), value);
        return value;
    }

    template <std::size_t N>
    static bool choose(std::string_view text, const std::string_view (&names)[N], std::uint8_t& value) {
        const auto found = std::find(std::begin(names), std::end(names), text);
        value = static_cast<std::uint8_t>(found - std::begin(names));
        return found != std::end(names);
    }

    /// A decimal as a whole number of steps of 10**-decimals.
    static bool units(std::string_view text, int decimals, std::int64_t step, std::int64_t& count) {
        const std::size_t point = text.find('.');
        const std::string_view whole = text.substr(0, point);
        std::string_view fraction = point == std::string_view::npos ? std::string_view() : text.substr(point + 1);
        if (whole.empty() || (point != std::string_view::npos && fraction.empty())) return false;
        if (whole.size() + fraction.size() > 18) return false;  // fewer than the rule allows: no overflow below
        while (!fraction.empty() && fraction.back() == '0') fraction.remove_suffix(1);
        if (fraction.size() > static_cast<std::size_t>(decimals)) return false;
        std::int64_t value = 0;
        for (const std::string_view part : {whole, fraction}) {
            for (const char digit : part) {
                if (digit < '0' || digit > '9') return false;
                value = value * 10 + (digit - '0');
            }
        }
        for (auto missing = static_cast<std::size_t>(decimals) - fraction.size(); missing > 0; --missing) {
            if (value > INT64_MAX / 10) return false;
            value *= 10;
        }
        count = value / step;
        return value % step == 0;
    }

    static bool client_id(std::string_view text, Text& slot) {
        const auto is_plain = [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '-' && c <= ':') || c == '_';
        };  // '-' to ':' are - . / 0 to 9 :
        if (text.empty() || text.size() > slot.size() || !std::all_of(text.begin(), text.end(), is_plain)) return false;
        std::memcpy(slot.data(), text.data(), text.size());
        return true;
    }

    bool place(const Scale& scale, PlainRequest& request) const {
        static constexpr std::string_view SIDES[] = {"BUY", "SELL"};
        static constexpr std::string_view TIMES_IN_FORCE[] = {"", "GTC", "IOC", "FOK"};
        static constexpr std::string_view SELF_TRADES[] = {"NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH",
                                                          "DECREMENT"};
        static constexpr std::string_view RESPONSES[] = {"", "ACK", "RESULT", "FULL"};
        Command& command = request.command;
        command.kind = PLACE;
        std::uint8_t response;
        const std::string_view self_trade = fields_.self_trade.data() ? fields_.self_trade : SELF_TRADES[2];
        if (fields_.order_id.data() || fields_.original_id.data()) return false;
        if (!choose(fields_.side, SIDES, command.side) || !choose(self_trade, SELF_TRADES, command.self_trade)) return false;
        if (!choose(fields_.response, RESPONSES, response) || (fields_.response.data() && !response)) return false;
        if (!units(fields_.quantity, scale.lot_decimals, 1, command.b)) return false;
        if (!client_id(fields_.client_id, command.text)) return false;
        request.response = static_cast<Response>(response);
        if (fields_.type == "MARKET") {
            command.order_type = 2;
            command.time_in_force = 2;
            return !fields_.price.data() && !fields_.time_in_force.data();
        }
        command.order_type = 1;
        return fields_.type == "LIMIT" && choose(fields_.time_in_force, TIMES_IN_FORCE, command.time_in_force) &&
               command.time_in_force && units(fields_.price, scale.price_decimals, scale.price_step, command.a);
    }

    bool cancel(Command& command) const {
        command.kind = CANCEL;
        const Fields& f = fields_;
        for (const std::string_view other : {f.side, f.type, f.time_in_force, f.price, f.quantity, f.client_id, f.response,
                                             f.self_trade}) {
            if (other.data()) return false;
        }
        if (f.order_id.data() == nullptr) return client_id(f.original_id, command.text2);
        command.e = whole(f.order_id);
        return f.original_id.data() == nullptr && command.e > 0;
    }

    std::unordered_map<std::string, Scale> scales_;
    const char* at_ = nullptr;
    const char* end_ = nullptr;
    Fields fields_;
};

}  // namespace deedbook
