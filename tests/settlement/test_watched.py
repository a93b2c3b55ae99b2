"""Logs in words: names, values, and nothing of what is not what it seems."""

from __future__ import annotations

import pytest
from eth_abi.abi import encode

from settlement.calls import topic
from settlement.chain import Log
from settlement.chain_events import CASH_CHANGED, TRANSFER
from settlement.watched import Contract, chain_event, event_names

ADDRESS_FROZEN = topic("AddressFrozen(address,bool,address)")
WALLET, OTHER = b"\xaa" * 20, b"\xbb" * 20


def word(value: bytes | int) -> bytes:
    return value.rjust(32, b"\0") if isinstance(value, bytes) else value.to_bytes(32, "big")


def log(topics: list[bytes], data: bytes = b"") -> Log:
    return Log(b"\x11" * 20, tuple(topics), data, 7, b"\x07" * 32, 3, b"\x08" * 32)


def test_values_are_texts_that_json_keeps_exactly() -> None:
    moved = chain_event(log([TRANSFER, word(WALLET), word(OTHER)], word(2**255)), Contract.TOKEN)
    assert moved is not None
    assert (moved.name, moved.block, moved.log_index) == ("Token.Transfer", 7, 3)
    assert moved.data == {"from": "0x" + "aa" * 20, "to": "0x" + "bb" * 20, "value": str(2**255)}
    frozen = chain_event(log([ADDRESS_FROZEN, word(WALLET), word(1), word(OTHER)]), Contract.TOKEN)
    assert frozen is not None
    assert frozen.data["is_frozen"] is True
    changed = encode(["int256", "uint256", "uint256"], [-5, 95, 0])
    cash = chain_event(log([CASH_CHANGED, word(WALLET)], changed), Contract.VAULT)
    assert cash is not None
    assert cash.data["deltaUsdcMicros"] == "-5"


def test_of_an_indexed_text_there_is_the_hash() -> None:
    revoked = chain_event(log([topic("ClaimRevoked(bytes)"), b"\x09" * 32]), Contract.CLAIMS)
    assert revoked is not None
    assert revoked.data == {"signature": "0x" + "09" * 32}


def test_what_is_not_watched_or_does_not_decode_is_nothing() -> None:
    assert chain_event(log([TRANSFER, word(WALLET), word(OTHER)], word(1)), Contract.VAULT) is None
    assert chain_event(log([]), Contract.TOKEN) is None
    assert chain_event(log([TRANSFER, word(WALLET), word(OTHER), word(1)]), Contract.TOKEN) is None
    assert chain_event(log([TRANSFER, word(WALLET), word(OTHER)], b"\x01"), Contract.TOKEN) is None
    assert chain_event(log([ADDRESS_FROZEN, word(WALLET), word(7), word(OTHER)]), Contract.TOKEN) is None


@pytest.mark.parametrize(
    ("contract", "names"),
    [
        (Contract.SALE, {"Sold", "SaleOpened", "SaleClosed"}),
        (Contract.DIVIDENDS, {"Paid", "Owed", "PayoutComplete"}),
        (Contract.EXIT, {"Paid", "Owed", "PayoutComplete"}),
        (Contract.LOCKER, {"LockChanged", "IssuerFreezeChanged", "TokenListed"}),
        (Contract.BRIDGE, {"BatchSettled", "Paused", "Unpaused"}),
        (Contract.TOKEN, {"Transfer", "AddressFrozen", "Paused", "Unpaused", "RecoverySuccess", "TokensFrozen"}),
        (Contract.IDENTITIES, {"IdentityStored", "IdentityUnstored"}),
    ],
)
def test_every_contract_says_what_others_rely_on(contract: Contract, names: set[str]) -> None:
    assert {f"{contract}.{name}" for name in names} <= event_names(contract)


def test_a_struct_in_an_event_decodes() -> None:
    (opened,) = [name for name in event_names(Contract.SALE) if name.endswith("SaleOpened")]
    assert opened == "Sale.SaleOpened"
