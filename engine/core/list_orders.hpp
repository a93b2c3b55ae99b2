// What traders send as lists: their legs, and then the word that makes them orders, all or none.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include "admission.hpp"
#include "lists.hpp"
#include "trading.hpp"
#include "venue.hpp"

namespace deedbook {

class ListOrders {
public:
    ListOrders(Venue& venue, Trading& trading) noexcept : venue_(venue), trading_(trading) {}

    /// Nothing but its place among the legs is looked at before the list is.
    void leg(const Command& command) {
        if (seat_of(command) == nullptr) return;
        if (command.flags < 1 || command.flags > LEG_LAST) return trading_.refuse(Reason::LIST_MALFORMED, command);
        venue_.staged.insert_or_assign({command.account, command.flags}, command);
        venue_.applied(command.account, command.instrument);
    }

    void place(const Command& command) {
        const Legs legs = take_legs(command.account);
        Seat* const seat = seat_of(command);
        if (seat == nullptr) return;
        if (!is_list(command, legs)) return trading_.refuse(Reason::LIST_MALFORMED, command);
        if (const Text* used = id_in_use(*seat, command, legs); used != nullptr)
            return trading_.refuse(Reason::CLIENT_ORDER_ID_IN_USE, command, *used);
        if (const Reason reason = refusal(*seat, command, legs); reason != Reason::NONE)
            return trading_.refuse(reason, command);
        const std::uint64_t list_id = static_cast<std::uint64_t>(venue_.last_order_id) + 1;
        venue_.last_order_id += legs.count;
        OrderList& list = open(*seat, command, legs, list_id);
        std::array<std::uint32_t, LEG_LAST> places{};
        for (std::uint8_t leg = 0; leg < legs.count; ++leg)
            places[leg] = trading_.accept(legs.of[leg], *seat, list_id + leg, limit_of(*seat, legs.of[leg]), legs.of[leg].b, list_id);
        const std::uint8_t first = first_pending(command, legs);
        for (std::uint8_t leg = first; leg < legs.count; ++leg) wait(list, places[leg], leg);
        for (std::uint8_t leg = 0; leg < first; ++leg) trading_.enter(places[leg], Reason::NONE);
    }

private:
    static constexpr std::uint8_t LEG_LAST = 3;

    /// `has` says which were there; those of a list are the first `count`.
    struct Legs {
        std::array<Command, LEG_LAST> of{};
        std::array<bool, LEG_LAST> has{};
        std::uint8_t count = 0;
    };

    /// The one that takes a profit and the one that stops a loss; null where there are no such two.
    using Pair = std::pair<const Command*, const Command*>;

    Seat* seat_of(const Command& command) {
        Instrument* instrument = venue_.instrument(command.instrument);
        Account* account = venue_.account(command.account);
        if (instrument != nullptr && account != nullptr) return &venue_.seat(*account, *instrument);
        trading_.refuse(instrument == nullptr ? Reason::UNKNOWN_INSTRUMENT : Reason::UNKNOWN_ACCOUNT, command);
        return nullptr;
    }

    Legs take_legs(std::uint32_t account) {
        Legs legs;
        for (std::uint8_t leg = 0; leg < LEG_LAST; ++leg) {
            const auto found = venue_.staged.find({account, static_cast<std::uint8_t>(leg + 1)});
            if (found == venue_.staged.end()) continue;
            legs.of[leg] = found->second;
            legs.has[leg] = true;
            ++legs.count;
            venue_.staged.erase(found);
        }
        return legs;
    }

    /// Whether these legs make a list of its kind; what is wrong with one alone is another question.
    static bool is_list(const Command& command, const Legs& legs) noexcept {
        if (legs_of(command.flags) != legs.count) return false;
        for (std::uint8_t leg = 0; leg < legs.count; ++leg) {
            const Command& each = legs.of[leg];
            const bool ends = each.time_in_force == GTC || each.time_in_force == IOC || each.time_in_force == FOK;
            if (!legs.has[leg] || each.instrument != command.instrument || !ends || each.c != 0) return false;
            if (is_no_id(each.text)) continue;
            if (each.text == command.text) return false;
            for (std::uint8_t other = 0; other < leg; ++other)
                if (legs.of[other].text == each.text) return false;
        }
        const std::uint8_t working = legs.of[0].order_type;
        if (command.flags != OCO && working != LIMIT && working != LIMIT_MAKER) return false;
        if (command.flags == OTO) return true;
        const auto [profit, loss] = pair_of(legs);
        return profit != nullptr && profit->side == loss->side && profit->b == loss->b;
    }

    static Pair pair_of(const Legs& legs) noexcept {
        const auto stops_loss = [](const Command* leg) {
            return leg->order_type == STOP_LOSS || leg->order_type == STOP_LOSS_LIMIT;
        };
        const Command *one = &legs.of[legs.count - 2u], *other = &legs.of[legs.count - 1u];
        if (stops_loss(one)) std::swap(one, other);
        const bool takes_profit =
            one->order_type == LIMIT_MAKER || one->order_type == TAKE_PROFIT || one->order_type == TAKE_PROFIT_LIMIT;
        return takes_profit && stops_loss(other) ? Pair{one, other} : Pair{nullptr, nullptr};
    }

    /// Whether the price lies between them, as far as there is one; a buy profits from a fall.
    static bool is_in_order(const Pair& pair, std::int64_t last_price_ticks) noexcept {
        const auto [profit, loss] = pair;
        std::int64_t low = loss->f, high = profit->order_type == LIMIT_MAKER ? profit->a : profit->f;
        if (profit->side == BUY) std::swap(low, high);
        return low < high && (last_price_ticks == 0 || (low < last_price_ticks && last_price_ticks < high));
    }

    static std::uint8_t first_pending(const Command& command, const Legs& legs) noexcept {
        return command.flags == OCO ? legs.count : std::uint8_t{1};
    }

    /// A client id that an earlier order or list has; null: none of them.
    const Text* id_in_use(const Seat& seat, const Command& command, const Legs& legs) {
        const auto is_used = [&](const Text& id) { return !is_no_id(id) && venue_.order_id_of(*seat.account, id) != 0; };
        if (is_used(command.text)) return &command.text;
        for (std::uint8_t leg = 0; leg < legs.count; ++leg)
            if (is_used(legs.of[leg].text)) return &legs.of[leg].text;
        return nullptr;
    }

    /// First what concerns the list as one, then leg by leg.
    Reason refusal(const Seat& seat, const Command& command, const Legs& legs) {
        const bool is_oco = command.flags == OCO;
        const std::int64_t last_price_ticks = is_oco ? seat.instrument->last_price_ticks : 0;
        if (command.flags != OTO && !is_in_order(pair_of(legs), last_price_ticks)) return Reason::LIST_PRICES;
        if (seat.open_orders + legs.count > open_orders_max(venue_, seat)) return Reason::TOO_MANY_ORDERS;
        for (std::uint8_t leg = 0; leg < legs.count; ++leg) {
            const bool is_pending = leg >= first_pending(command, legs);
            const Reason reason = is_pending ? pending_refusal(venue_, seat, legs.of[leg]) : leg_refusal(seat, legs.of[leg]);
            if (reason != Reason::NONE) return reason;
        }
        return Reason::NONE;
    }

    Reason leg_refusal(const Seat& seat, const Command& leg) {
        if (!is_well_formed(leg)) return Reason::ORDER_MALFORMED;
        return limit_refusal(venue_, seat, leg, limit_ticks(*seat.instrument, leg));
    }

    /// The worst price that a leg may trade at; of a market order there is none yet.
    static std::int64_t limit_of(const Seat& seat, const Command& leg) noexcept {
        return leg.order_type == MARKET ? 0 : limit_ticks(*seat.instrument, leg);
    }

    OrderList& open(Seat& seat, const Command& command, const Legs& legs, std::uint64_t list_id) {
        OrderList& list = venue_.lists[list_id] = {list_id, &seat, venue_.time_ns, NIL, command.flags, legs.count};
        if (!is_no_id(command.text))
            list.client_id = venue_.client_ids.insert(seat.account->number, command.text, list_id);
        Event& event = venue_.tell(EventKind::LISTED, command.instrument, command.account);
        event.a = static_cast<std::int64_t>(list_id);
        event.b = legs.count;
        event.flags = command.flags;
        return list;
    }

    void wait(OrderList& list, std::uint32_t place, std::uint8_t leg) {
        const Order& order = venue_.orders[place];
        Extra& extra = venue_.extras[order.extra];
        extra.rank = 0;
        list.add_pending(place);
        ++list.seat->open_orders;
        Event& event = venue_.tell(EventKind::PENDING, list.seat->instrument->number, list.seat->account->number);
        event.a = static_cast<std::int64_t>(order.order_id);
        event.b = static_cast<std::int64_t>(list.list_id);
        event.c = order.price_ticks;
        event.d = order.qty_lots;
        event.e = extra.stop_ticks;
        event.side = order.side;
        event.flags = static_cast<std::uint8_t>(leg + 1);
    }

    Venue& venue_;
    Trading& trading_;
};

}  // namespace deedbook
