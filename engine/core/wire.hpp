// Commands and events as they are journalled: the same records as engine/wire.py, which a test compares.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

namespace deedbook {

using Text = std::array<char, 36>;
using Wallet = std::array<unsigned char, 20>;  // ordered as bytes are
using Hash = std::array<char, 32>;
using Dividend = std::array<char, 16>;
__extension__ typedef __int128 Wide;  // for products of two records' numbers

struct Command {
    std::uint64_t seq;
    std::int64_t time_ns;
    std::uint8_t kind, side, order_type, time_in_force;
    std::uint16_t instrument;
    std::uint8_t self_trade, flags;
    std::uint32_t account, count;
    std::int64_t a, b, c, d, e, f, g;
    Text text, text2;
};
static_assert(std::is_trivially_copyable_v<Command> && sizeof(Command) == 160 && offsetof(Command, text) == 88);

struct Event {
    std::uint64_t seq;
    std::uint8_t kind, reason;
    std::uint16_t instrument;
    std::uint32_t account;
    std::int64_t a, b, c, d, e, f, g, h;
    std::uint32_t peer;
    std::uint8_t side, flags;
    std::uint16_t zero;
};
static_assert(std::is_trivially_copyable_v<Event> && sizeof(Event) == 88 && offsetof(Event, peer) == 80);

enum CommandKind : std::uint8_t {
    PLACE = 1,
    CANCEL = 2,
    AMEND = 3,
    REPLACE = 4,
    CANCEL_ALL = 5,
    LIST_LEG = 6,
    PLACE_LIST = 7,
    OPEN_ACCOUNT = 16,
    SET_PERMISSION = 17,
    SET_INSTRUMENT = 18,
    SET_FEES = 19,
    SET_PHASE = 20,
    SET_BANDS = 21,
    SET_AUCTIONS = 22,
    KILL_SWITCH = 24,
    SET_LIMITS = 25,
    MIGRATE_WALLET = 26,
    EX_DATE = 28,
    LEVEL_CHANGED = 32,
    POSITION_CHANGED = 33,
    ADJUST = 34,
    EJECT_TRADE = 40,
    COMPOSE_BATCH = 41,
    BATCH_FINAL = 42,
    CLOCK = 63,
};

enum class EventKind : std::uint8_t {
    REJECTED = 1,
    ACCEPTED = 2,
    TRADE = 3,
    CLOSED = 4,
    AMENDED = 5,
    TRIGGERED = 6,
    PREVENTED = 7,
    REPLENISHED = 8,
    REPRICED = 9,
    LISTED = 10,
    PENDING = 11,
    LIST_DONE = 12,
    BALANCE = 16,
    ACCOUNT_OPENED = 17,
    APPLIED = 18,
    PERMISSION_ENDED = 19,
    PHASE_CHANGED = 20,
    INDICATIVE = 21,
    AUCTION = 22,
    WENT_EX = 23,
    WALLET_MIGRATED = 24,
    KILL_SWITCHED = 25,
    WITHDRAWAL_READY = 32,
    PARKED = 33,
    CREDITING_STOPPED = 34,
    TRADE_SETTLED = 40,
};

enum class Reason : std::uint8_t {
    NONE = 0,
    UNKNOWN_INSTRUMENT = 1,
    UNKNOWN_ACCOUNT = 2,
    LIST_MALFORMED = 30,
    LIST_PRICES = 31,
    ORDER_MALFORMED = 3,
    QTY_NOT_POSITIVE = 4,
    QTY_TOO_LARGE = 5,
    PRICE_NOT_POSITIVE = 6,
    PRICE_TOO_HIGH = 7,
    EXPIRE_TIME_PASSED = 8,
    NOTIONAL_TOO_SMALL = 9,
    CLIENT_ORDER_ID_IN_USE = 10,
    ORDER_NOT_FOUND = 11,
    QTY_NOT_REDUCED = 12,
    INSTRUMENT_HALTED = 13,
    CANCEL_ONLY = 14,
    KILLED = 25,
    NOT_PERMITTED = 15,
    LOCKED_UP = 16,
    POST_ONLY_WOULD_TAKE = 17,
    TOO_MANY_ORDERS = 18,
    ORDER_LIMIT = 26,
    POSITION_LIMIT = 27,
    OWNERSHIP_CAP = 19,
    HOLDER_CAP = 20,
    INSUFFICIENT_CASH = 21,
    INSUFFICIENT_TOKENS = 22,
    TYPE_NOT_IN_PHASE = 23,
    PRICE_OUTSIDE_BAND = 24,
    STOP_WOULD_TRIGGER = 28,
    DISPLAY_OUT_OF_RANGE = 29,
    ACCOUNT_EXISTS = 32,
    INSTRUMENT_CHANGED = 33,
    VALUE_OUT_OF_RANGE = 34,
    CHAIN_POSITION_PASSED = 35,
    LEVEL_MISMATCH = 36,
    CREDITING_HALTED = 37,
    BATCH_OUT_OF_ORDER = 38,
    BATCH_UNKNOWN = 39,
    EJECTED_MISMATCH = 40,
    EX_DATE_DONE = 41,
    CANCELLED = 64,
    CANCELLED_REPLACED = 65,
    EXPIRED = 66,
    IOC_REMAINDER = 67,
    FOK_UNFILLED = 68,
    NO_LIQUIDITY = 69,
    SELF_TRADE = 70,
    PERMISSION_LOST = 71,
    COVER_LOST = 72,
    BAND_REACHED = 73,
    KILL_SWITCH = 76,
    EX_DATE = 77,
    LIST_LEG_DONE = 74,
    LIST_ENDED = 75,
    SELLER_NOT_VERIFIED = 96,
    CHAIN_REFUSED = 105,
};

constexpr std::uint8_t BUY = 0, SELL = 1;
constexpr std::uint8_t LIMIT = 1, MARKET = 2, LIMIT_MAKER = 3, STOP_LOSS = 4, STOP_LOSS_LIMIT = 5, TAKE_PROFIT = 6,
                       TAKE_PROFIT_LIMIT = 7;
constexpr std::uint8_t GTC = 1, IOC = 2, FOK = 3, GTD = 4, DAY = 5;
constexpr std::uint8_t OCO = 1, OTO = 2, OTOCO = 3;
constexpr std::uint8_t NO_PREVENTION = 0, EXPIRE_TAKER = 1, EXPIRE_MAKER = 2, EXPIRE_BOTH = 3,
                       DECREMENT = 4;
constexpr std::uint8_t CONTINUOUS = 0, CANCEL_ONLY_PHASE = 1, HALT = 2, PRE_OPEN = 3, OPENING_CALL = 4, VOLATILITY_CALL = 5,
                       CLOSING_CALL = 6, PERIODIC_CALL = 7, LIMIT_ONLY = 8;
constexpr std::uint8_t MAKER_FILLED = 1, IN_AUCTION = 2, TAKER_FILLED = 4;  // flags of a trade

constexpr std::uint16_t USDC = 0;   // the asset number of cash
constexpr std::uint16_t VENUE = 0;  // the scope of a command that is meant for every instrument
constexpr std::int64_t BASIS_POINTS = 10'000;
constexpr std::int64_t CLIENT_ORDER_ID_KEPT_NS = 24LL * 3600 * 1'000'000'000;
constexpr std::size_t CLIENT_ORDER_ID_KEPT_MAX = 10'000;
constexpr std::size_t EX_DATES_KEPT_MAX = 1'000;
constexpr std::int64_t ICEBERG_PARTS_MAX = 100;
constexpr std::int64_t AMOUNT_MAX = std::int64_t{1} << 62;  // of a level, a quote and the dearest order
constexpr Text NO_ID{};

/// Whether a client order id is NO_ID; asked of every order, so word by word.
inline bool is_no_id(const Text& id) noexcept {
    std::array<std::uint64_t, 4> words;
    std::uint32_t rest;
    std::memcpy(words.data(), id.data(), sizeof words);
    std::memcpy(&rest, id.data() + sizeof words, sizeof rest);
    return (words[0] | words[1] | words[2] | words[3] | rest) == 0;
}

}  // namespace deedbook
