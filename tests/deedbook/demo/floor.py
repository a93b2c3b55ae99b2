"""A trading floor for the demo's traders: the real engine and gateway, as many funded accounts as asked for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deedbook.demo.client import TradingSession
from deedbook.demo.client_messages import Ed25519Key, HmacKey
from engine import types as t
from gateway.api import Gateway
from gateway.keys import KeyStore
from tests.gateway.venue import FOREVER_NS, Sequencer, wallet

FEE_ACCOUNT = 1
OAK, ELM = "OAK12USDC", "ELM7USDC"
CASH_MICROS = 10**13
LOTS = 10**6


@dataclass
class Floor:
    sequencer: Sequencer
    gateway: Gateway
    store: KeyStore
    accounts: list[int]

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.gateway.ws_port}/ws-api/v3"

    async def session(self, account: int) -> TradingSession:
        key = self.store.create_hmac(account)
        return await TradingSession.open(self.url, HmacKey(key.key, key.secret), f"a{account}")

    async def ed25519_session(self, account: int) -> TradingSession:
        private = Ed25519PrivateKey.generate()
        public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        key = self.store.create_ed25519(account, public)
        return await TradingSession.open(self.url, Ed25519Key(key.key, private), f"e{account}")

    def permit(self, account: int, *, may_trade: bool) -> None:
        self.sequencer.send(*(t.SetPermission(account, number, may_trade, may_trade, FOREVER_NS) for number in (1, 2)))


async def open_floor(directory: Path, traders: int, cash_micros: int = CASH_MICROS, lots: int = LOTS) -> Floor:
    """Accounts 2 to traders + 1, all permitted and funded; both instruments have a tick of 0.01 USDC a token."""
    sequencer = Sequencer()
    accounts = list(range(FEE_ACCOUNT + 1, FEE_ACCOUNT + 1 + traders))
    sequencer.send(*(t.OpenAccount(account, wallet(account)) for account in (FEE_ACCOUNT, *accounts)))
    for number, symbol, lot_decimals in ((1, OAK, 2), (2, ELM, 0)):
        sequencer.send(
            t.SetInstrument(
                instrument=number,
                fee_account=FEE_ACCOUNT,
                tick_value_usdc_micros=10 ** (4 - lot_decimals),
                price_ticks_max=10**7,
                qty_lots_max=10**7,
                notional_usdc_micros_min=0,
                market_collar_bps=500,
                open_orders_max=10_000,
                resale=1,
                symbol=symbol.encode(),
                token=bytes([number]) * 20,
                lot_decimals=lot_decimals,
            ),
            t.SetFees(number, 5, 10),
            *(t.SetPermission(account, number, 1, 1, FOREVER_NS) for account in accounts),
        )
        for account in accounts:
            sequencer.deposit(account, number, lots, lots)
    for account in accounts:
        sequencer.deposit(account, t.USDC, cash_micros, cash_micros)
    store = KeyStore(directory / "keys.jsonl")
    gateway = Gateway(sequencer.submit, sequencer.submit_together, None, store, time.time_ns)
    gateway.restore(sequencer.exchange.state())
    sequencer.subscribers.append(gateway.on_durable)
    await gateway.start("127.0.0.1", 0, 0)
    return Floor(sequencer, gateway, store, accounts)
