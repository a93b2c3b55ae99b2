"""Netting: the fills of a batch to as few token legs and cash deltas as move the same amounts. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise

from engine.types import USDC
from settlement.trades import Batch, Fill, Instrument, Leg, Token, Trade, Wallet, Wallets


def fill_of(trade: Trade, instrument: Instrument, wallets: Wallets) -> Fill:
    """One trade in the chain's words: wallets for accounts, base units for lots, and the cash it moves by itself."""
    assert trade.instrument == instrument.instrument
    assert trade.qty_lots >= 1
    assert trade.notional_usdc_micros >= 1
    assert trade.buyer_account != trade.seller_account
    buyer, seller = (wallets.of(each, trade.instrument) for each in (trade.buyer_account, trade.seller_account))
    fees = trade.buyer_fee_usdc_micros + trade.seller_fee_usdc_micros
    cash: Counter[Wallet] = Counter()
    cash[wallets.of(trade.buyer_account, USDC)] -= trade.notional_usdc_micros + trade.buyer_fee_usdc_micros
    cash[wallets.of(trade.seller_account, USDC)] += trade.notional_usdc_micros - trade.seller_fee_usdc_micros
    if fees:
        cash[wallets.of(instrument.fee_account, USDC)] += fees
    qty_base_units = trade.qty_lots * instrument.lot_base_units
    return Fill(trade.trade_id, instrument.token, seller, buyer, qty_base_units, _cash_sorted(cash))


def net(fills: Sequence[Fill]) -> Batch:
    """Net fills, in trade order, to the batch that the bridge applies.

    fills    n >= 0, in trade_id order; ejected trades are left out, so ids may have gaps.
    Returns  a property's legs: at most net sellers + net buyers - 1, and never more than its fills;
             cash: at most one delta a wallet, none zero, sum exactly 0 (the fee account included). Who nets flat in a
             property has no leg in it. The same fills give the same batch on any machine.
    Raises   nothing; a broken precondition is a bug of ours, hence an assert.
    """
    assert all(later.trade_id > earlier.trade_id for earlier, later in pairwise(fills))
    by_token: defaultdict[Token, list[Fill]] = defaultdict(list)
    cash: Counter[Wallet] = Counter()
    for fill in fills:
        by_token[fill.token].append(fill)
        for wallet, delta in fill.cash:
            cash[wallet] += delta
    legs_by_token = [(token, found) for token in sorted(by_token) if (found := _token_legs(by_token[token]))]
    legs = tuple(
        Leg(index, seller, buyer, qty)
        for index, (_, its_legs) in enumerate(legs_by_token)
        for seller, buyer, qty in its_legs
    )
    return Batch(tuple(token for token, _ in legs_by_token), legs, _cash_sorted(cash))


TokenLegs = list[tuple[Wallet, Wallet, int]]


def _token_legs(fills: Sequence[Fill]) -> TokenLegs:
    """One property's (seller, buyer, base units), grouped by seller.

    Who never traded with each other, not even through others, is netted apart: n traders that hang together made at
    least n - 1 fills and need at most n - 1 legs: never more than a leg a fill, nor than netting all at once.
    """
    position: Counter[Wallet] = Counter()
    for fill in fills:
        assert fill.qty_base_units >= 1
        position[fill.seller] -= fill.qty_base_units
        position[fill.buyer] += fill.qty_base_units
    return sorted(leg for circle in _circles(fills) for leg in _greedy({each: position[each] for each in circle}))


def _circles(fills: Sequence[Fill]) -> list[set[Wallet]]:
    """The wallets, in sets that did not trade with each other."""
    circle_of: dict[Wallet, set[Wallet]] = {}
    for fill in fills:
        sellers = circle_of.setdefault(fill.seller, {fill.seller})
        buyers = circle_of.setdefault(fill.buyer, {fill.buyer})
        if sellers is not buyers:
            small, large = sorted((sellers, buyers), key=len)
            large |= small
            circle_of.update(dict.fromkeys(small, large))
    return list({id(circle): circle for circle in circle_of.values()}.values())


def _greedy(position: Mapping[Wallet, int]) -> TokenLegs:
    """Walk sellers and buyers by wallet; each step finishes at least one of the two, the last step both."""
    sellers = sorted((wallet, -qty) for wallet, qty in position.items() if qty < 0)
    buyers = sorted((wallet, qty) for wallet, qty in position.items() if qty > 0)
    legs: TokenLegs = []
    buyer_index, buyer_open = 0, buyers[0][1] if buyers else 0
    for seller, seller_open in sellers:
        while seller_open > 0:
            qty = min(seller_open, buyer_open)
            legs.append((seller, buyers[buyer_index][0], qty))
            seller_open, buyer_open = seller_open - qty, buyer_open - qty
            if buyer_open == 0 and buyer_index + 1 < len(buyers):
                buyer_index += 1
                buyer_open = buyers[buyer_index][1]
    assert buyer_open == 0
    assert len(legs) <= max(0, len(sellers) + len(buyers) - 1)
    return legs


def _cash_sorted(cash: Mapping[Wallet, int]) -> tuple[tuple[Wallet, int], ...]:
    assert sum(cash.values()) == 0
    return tuple(sorted((wallet, delta) for wallet, delta in cash.items() if delta))
