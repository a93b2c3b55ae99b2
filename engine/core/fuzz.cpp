// What no client may bring about: any bytes as commands, any bytes as a snapshot. Build it with the sanitizers.
//
// With clang it is a libFuzzer target; elsewhere its own main mutates commands from a seed: fuzz SEED RUNS.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "exchange.hpp"

using deedbook::BrokenRule;
using deedbook::Command;
using deedbook::Exchange;

namespace {

void require_same(const Exchange& exchange) {
    const std::string image = exchange.snapshot();
    Exchange again;
    again.restore(image);
    if (again.snapshot() != image) std::abort();
}

}  // namespace

/// The first byte says how: as a snapshot, or as commands with seq and time made right.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
    Exchange exchange;
    try {
        if (data[0] % 4 == 0) {
            exchange.restore(bytes);
            require_same(exchange);
            return 0;
        }
        bytes.resize(bytes.size() / sizeof(Command) * sizeof(Command));
        for (std::size_t at = 0, seq = 1; at < bytes.size(); at += sizeof(Command), ++seq) {
            std::memcpy(bytes.data() + at, &seq, sizeof seq);
            const std::int64_t time_ns = static_cast<std::int64_t>(seq / 2);
            std::memcpy(bytes.data() + at + 8, &time_ns, sizeof time_ns);
        }
        exchange.apply(bytes);
        require_same(exchange);
    } catch (const BrokenRule&) {  // said, not crashed
    }
    return 0;
}

#ifndef DEEDBOOK_LIBFUZZER
#include <cstdio>
#include <random>
#include <vector>

namespace {

constexpr std::uint8_t KINDS[] = {1, 1, 1, 1, 2, 3, 4, 5, 6, 7, 7, 7, 16, 17, 17, 18, 19, 20, 20, 21, 22, 24, 24, 25, 26, 28, 32, 32, 33, 34, 40, 41, 42, 63, 255};
constexpr std::int64_t EDGES[] = {INT64_MIN, -1, 0, 1, std::int64_t{1} << 62, INT64_MAX};

/// The legs of a list, as they mostly should be.
template <typename Append>
void append_legs(const Command& list, std::mt19937_64& random, Append append) {
    const auto below = [&random](std::uint64_t most) { return static_cast<std::int64_t>(random() % most); };
    Command leg = list;
    leg.kind = 6;
    leg.order_type = leg.time_in_force = leg.flags = 1;
    leg.a = 1 + below(30);
    leg.b = 1 + below(9);
    leg.c = leg.d = leg.f = leg.g = 0;
    leg.text = {};
    if (list.flags != 1) append(leg);
    if (list.flags == 1) leg.flags = 0;
    if (below(2) == 0) leg.side ^= 1;
    const bool buys = leg.side == 0;
    leg.order_type = 3;
    leg.a = buys ? 1 + below(15) : 15 + below(15);
    ++leg.flags;
    append(leg);
    if (list.flags == 2) return;
    leg.order_type = 4;
    leg.time_in_force = 2;
    leg.a = 0;
    leg.f = buys ? 15 + below(15) : 1 + below(15);
    ++leg.flags;
    append(leg);
}

std::vector<std::uint8_t> commands(std::mt19937_64& random) {
    const auto below = [&random](std::uint64_t most) { return random() % most; };
    std::vector<std::uint8_t> bytes{1};
    const auto append = [&bytes](const Command& command) {
        const auto* start = reinterpret_cast<const std::uint8_t*>(&command);
        bytes.insert(bytes.end(), start, start + sizeof command);
    };
    for (std::size_t count = 20 + below(200); count > 0; --count) {
        Command command{};
        command.kind = count % 9 == 0 ? std::uint8_t{16} : KINDS[below(sizeof KINDS)];
        command.side = static_cast<std::uint8_t>(below(2));
        command.order_type = static_cast<std::uint8_t>(1 + below(7));
        const bool names_no_limit = command.order_type == 2 || command.order_type == 4 || command.order_type == 6;
        command.time_in_force = static_cast<std::uint8_t>(names_no_limit ? 2 : 1 + below(5));
        command.instrument = static_cast<std::uint16_t>(below(4));
        command.self_trade = static_cast<std::uint8_t>(below(5));
        command.flags = static_cast<std::uint8_t>(below(2));
        command.account = static_cast<std::uint32_t>(below(5));
        command.count = static_cast<std::uint32_t>(below(3));
        for (std::int64_t* slot : {&command.a, &command.b, &command.c, &command.d, &command.e, &command.f, &command.g})
            *slot = below(12) == 0 ? EDGES[below(6)] : static_cast<std::int64_t>(below(40));
        if (command.kind == 6 || command.kind == 7) command.flags = static_cast<std::uint8_t>(1 + below(3));
        if (command.kind == 7) append_legs(command, random, append);
        if (command.kind == 1 && command.time_in_force != 4) command.d = 0;
        if (command.kind == 1 && command.order_type < 4) command.f = 0;
        if (command.kind == 1 && (command.order_type % 2 == 0 || command.order_type > 3 || below(3) != 0)) command.g = 0;
        if (command.kind == 1 && names_no_limit) command.a = 0;
        command.text[0] = static_cast<char>('A' + below(4));
        command.text2[0] = static_cast<char>('A' + below(4));
        append(command);
    }
    for (std::size_t flips = below(4); flips > 0; --flips) bytes[1 + below(bytes.size() - 1)] ^= std::uint8_t(1 << below(8));
    return bytes;
}

/// A snapshot of a market, then damaged.
std::vector<std::uint8_t> snapshot(std::mt19937_64& random) {
    std::vector<std::uint8_t> made = commands(random);
    std::string bytes(made.begin() + 1, made.end());
    Exchange exchange;
    for (std::size_t at = 0, seq = 1; at + sizeof(Command) <= bytes.size(); at += sizeof(Command), ++seq) {
        std::memcpy(bytes.data() + at, &seq, sizeof seq);
        std::memset(bytes.data() + at + 8, 0, 8);
        try {
            exchange.apply(std::string_view(bytes).substr(at, sizeof(Command)));
        } catch (const BrokenRule&) {
            break;
        }
    }
    std::string image = exchange.snapshot();
    if (random() % 2 == 0) image[random() % image.size()] ^= static_cast<char>(1 << random() % 8);
    if (random() % 8 == 0) image.resize(random() % image.size());
    std::vector<std::uint8_t> out{0};
    out.insert(out.end(), image.begin(), image.end());
    return out;
}

}  // namespace

int main(int count, char** words) {
    if (count != 3) return std::fprintf(stderr, "fuzz SEED RUNS\n"), 2;
    std::mt19937_64 random(std::strtoull(words[1], nullptr, 10));
    const std::uint64_t runs = std::strtoull(words[2], nullptr, 10);
    for (std::uint64_t run = 0; run < runs; ++run) {
        const std::vector<std::uint8_t> input = run % 5 == 0 ? snapshot(random) : commands(random);
        LLVMFuzzerTestOneInput(input.data(), input.size());
    }
    std::printf("%llu runs\n", static_cast<unsigned long long>(runs));
    return 0;
}
#endif
