"""Netting conserves every wallet's tokens and cash to the unit, with no more legs than it promises."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from settlement.netting import fill_of, net
from settlement.trades import ANY_ASSET, Batch, Fill, Instrument, Token, Trade, Wallet, Wallets

FEE_ACCOUNT = 9
WALLET = {account: Wallet(bytes([account]) * 20) for account in range(1, 10)}
WALLETS = Wallets((account, ANY_ASSET, 0, wallet) for account, wallet in WALLET.items())
OAK = Instrument(1, Token(b"\x11" * 20), FEE_ACCOUNT, 10_000, 1_000)
ELM = Instrument(2, Token(b"\x22" * 20), FEE_ACCOUNT, 7, 1)
INSTRUMENTS = {1: OAK, 2: ELM}


def trade(trade_id: int, instrument: int, buyer: int, seller: int, qty: int, notional: int, fees: int = 0) -> Trade:
    return Trade(trade_id, instrument, buyer, seller, qty, notional, fees, fees // 2, trade_id, trade_id, bytes(32))


def fills(*trades: Trade) -> list[Fill]:
    return [fill_of(each, INSTRUMENTS[each.instrument], WALLETS) for each in trades]


@st.composite
def trade_lists(draw: st.DrawFn) -> list[Fill]:
    ids = sorted(draw(st.sets(st.integers(1, 200), max_size=40)))
    traders = st.integers(1, draw(st.integers(2, 9)))
    trades = []
    for trade_id in ids:
        buyer, seller = draw(st.tuples(traders, traders).filter(lambda pair: pair[0] != pair[1]))
        qty, notional, fees = draw(st.tuples(st.integers(1, 50), st.integers(1, 10**12), st.integers(0, 10**6)))
        trades.append(trade(trade_id, draw(st.integers(1, 2)), buyer, seller, qty, notional, fees))
    return fills(*trades)


def tokens_moved(batch: Batch) -> Counter[tuple[Token, Wallet]]:
    total: Counter[tuple[Token, Wallet]] = Counter()
    for leg in batch.legs:
        total[batch.tokens[leg.token_index], leg.seller] -= leg.qty_base_units
        total[batch.tokens[leg.token_index], leg.buyer] += leg.qty_base_units
    return total


def tokens_due(listed: list[Fill]) -> Counter[tuple[Token, Wallet]]:
    total: Counter[tuple[Token, Wallet]] = Counter()
    for fill in listed:
        total[fill.token, fill.seller] -= fill.qty_base_units
        total[fill.token, fill.buyer] += fill.qty_base_units
    return Counter({key: qty for key, qty in total.items() if qty})


@given(trade_lists())
def test_every_wallet_gets_and_gives_exactly_what_its_fills_say(listed: list[Fill]) -> None:
    batch = net(listed)
    assert tokens_moved(batch) == tokens_due(listed)
    cash: Counter[Wallet] = Counter()
    for fill in listed:
        cash.update(dict(fill.cash))
    assert dict(batch.cash) == {wallet: delta for wallet, delta in cash.items() if delta}
    assert sum(delta for _, delta in batch.cash) == 0


@given(trade_lists())
def test_legs_are_at_most_net_sellers_plus_net_buyers_less_one(listed: list[Fill]) -> None:
    batch = net(listed)
    due = tokens_due(listed)
    for index, token in enumerate(batch.tokens):
        parties = [wallet for (of, wallet) in due if of == token]
        legs = [leg for leg in batch.legs if leg.token_index == index]
        assert 1 <= len(legs) <= len(parties) - 1
        assert len(legs) <= len([fill for fill in listed if fill.token == token])


@given(trade_lists())
def test_nobody_both_gives_and_gets_a_token_and_flat_wallets_have_no_leg(listed: list[Fill]) -> None:
    batch = net(listed)
    due = tokens_due(listed)
    for leg in batch.legs:
        token = batch.tokens[leg.token_index]
        assert leg.qty_base_units >= 1
        assert due[token, leg.seller] < 0 < due[token, leg.buyer]


@given(trade_lists())
def test_legs_stand_grouped_by_token_then_by_seller(listed: list[Fill]) -> None:
    batch = net(listed)
    groups = [(leg.token_index, leg.seller) for leg in batch.legs]
    assert groups == sorted(groups)
    assert len(set(batch.tokens)) == len(batch.tokens)


def test_a_chain_of_resales_is_one_leg_from_first_seller_to_last_buyer() -> None:
    batch = net(fills(trade(1, 1, 2, 1, 5, 500), trade(2, 1, 3, 2, 5, 510), trade(3, 1, 4, 3, 5, 520)))
    assert [(leg.seller, leg.buyer, leg.qty_base_units) for leg in batch.legs] == [(WALLET[1], WALLET[4], 5_000)]
    assert dict(batch.cash) == {WALLET[1]: 500, WALLET[2]: 10, WALLET[3]: 10, WALLET[4]: -520}


def test_a_round_trip_moves_no_token_and_only_the_difference_in_cash() -> None:
    batch = net(fills(trade(1, 1, 2, 1, 5, 500), trade(2, 1, 1, 2, 5, 490)))
    assert batch == Batch((), (), ((WALLET[1], 10), (WALLET[2], -10)))


def test_unrelated_pairs_keep_their_own_legs_where_those_are_fewer() -> None:
    batch = net(fills(trade(1, 1, 4, 1, 5, 500), trade(2, 1, 2, 3, 3, 300)))
    assert [(leg.seller, leg.buyer) for leg in batch.legs] == [(WALLET[1], WALLET[4]), (WALLET[3], WALLET[2])]


def test_fees_go_to_the_fee_account_and_come_from_both_sides() -> None:
    batch = net(fills(trade(1, 2, 2, 1, 5, 1_000, fees=10)))
    assert dict(batch.cash) == {WALLET[2]: -1_010, WALLET[1]: 995, WALLET[FEE_ACCOUNT]: 15}


def test_no_fills_give_an_empty_batch() -> None:
    assert net([]) == Batch((), (), ())


def test_what_was_left_behind_settles_where_it_is_until_it_has_followed() -> None:
    lost, fresh = WALLET[2], Wallet(b"\x99" * 20)
    rows = [(2, ANY_ASSET, 5, lost), (3, ANY_ASSET, 6, WALLET[3]), (2, ANY_ASSET, 7, fresh), (2, 0, 7, lost)]
    wallets = Wallets([*rows, (2, 2, 7, lost)])
    bought = fill_of(trade(1, 1, 2, 3, 5, 100), OAK, wallets)
    sold = fill_of(trade(2, 2, 3, 2, 5, 100), ELM, wallets)
    assert (bought.buyer, dict(bought.cash)[lost], sold.seller) == (fresh, -100, lost)
    followed = Wallets([*rows, (2, 2, 7, lost), (2, ANY_ASSET, 9, fresh), (2, 0, 9, lost)])
    assert (followed.of(2, 2), followed.of(2, 0)) == (fresh, lost)
