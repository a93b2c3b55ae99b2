"""A signer process: one key, one Unix socket (0600), one short list of what may be signed."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import asyncpg
import msgspec
import uvloop
from eth_utils.address import to_canonical_address

from deedbook.chain_keys import KeyFileExposed, chain_key
from deedbook.deployment import recorded
from deedbook.layout import Layout
from deedbook.process import announce_ready, stop_signals
from deedbook.settings import Settings
from deedbook.signing_desk import Ledger, ReleaseDesk, SigningDesk
from persistence.frame import JournalError
from persistence.socket_path import short_path
from settlement.calls import RELEASE_UNLOCK, RELEASE_WITHDRAW, SETTLE
from settlement.chain import Chain, ChainRefused, ChainUnavailable
from settlement.infrastructure import Infrastructure
from settlement.signer_client import framed, read_message
from settlement.signing import Caps, Policy, SignAnswer, SigningRefused, SignRequest
from settlement.trades import Token

ROLES: Final = ("operator", "releaser")
ETHER_WEI: Final = 10**18
# Of one key in a day. The operator's USDC is what settlements move, the releaser's what leaves the vault.
CAPS: Final = {
    "operator": Caps(transactions=100_000, gas_wei=200 * ETHER_WEI, usdc_micros=10_000_000_000 * 10**6),
    "releaser": Caps(transactions=20_000, gas_wei=50 * ETHER_WEI, usdc_micros=100_000_000 * 10**6),
}
FEE_MAX_WEI: Final = 2_000 * 10**9  # for a unit of gas
CHAIN_POLL_S: Final = 0.5
FATAL_EXIT: Final = 70
NOT_OURS: Final = (asyncio.IncompleteReadError, ConnectionError, ValueError, msgspec.MsgspecError)  # or gone


def main(arguments: list[str]) -> int:
    """Run as `operator` or `releaser` until SIGTERM. Exit status 1 with one sentence where it may not start."""
    if len(arguments) != 1 or arguments[0] not in ROLES:
        print(f"Say which key to sign with: {' or '.join(ROLES)}.", file=sys.stderr)
        return 2
    try:
        uvloop.run(_serve(Settings.read(os.environ), arguments[0]))
    except (KeyFileExposed, JournalError) as error:
        print(f"The {arguments[0]} signer stops: {error}", file=sys.stderr)
        return 1
    return 0


async def _serve(settings: Settings, role: str) -> None:
    layout = Layout(settings.data_dir)
    account = chain_key(layout.signer_keys, role)
    policy = policy_of(role, recorded(layout), await _chain_id(settings))
    ledger = Ledger(layout.signer_keys / f"{role}.ledger")
    releases = _release_desk(settings, layout) if role == "releaser" else None
    desk = SigningDesk(account, policy, ledger, releases, lambda: int(time.time()))
    stopping = stop_signals()
    server = await serve(desk, layout.signer_socket(role))
    announce_ready(account.address)
    try:
        await stopping.wait()
    finally:
        server.close()
        layout.signer_socket(role).unlink(missing_ok=True)
        ledger.close()


def policy_of(role: str, infrastructure: Infrastructure, chain_id: int) -> Policy:
    """The role's list: contracts and selectors, and the caps of a day."""
    vault, locker, bridge = map(
        to_canonical_address, (infrastructure.vault, infrastructure.locker, infrastructure.bridge)
    )
    allowed = {
        "operator": frozenset({(bytes(bridge), SETTLE)}),
        "releaser": frozenset({(bytes(vault), RELEASE_WITHDRAW), (bytes(locker), RELEASE_UNLOCK)}),
    }
    return Policy(chain_id, allowed[role], CAPS[role], FEE_MAX_WEI)


async def serve(desk: SigningDesk, socket_path: Path) -> asyncio.Server:
    """Listen on a socket that only our own user can open. One request at a time: the ledger has one writer."""
    at_once = asyncio.Lock()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(*NOT_OURS):
                request = msgspec.msgpack.decode(await read_message(reader), type=SignRequest)
                async with at_once:
                    signed = await _signed(desk, request)
                writer.write(framed(msgspec.msgpack.encode(signed)))
                await writer.drain()
        finally:
            writer.close()

    await asyncio.to_thread(socket_path.unlink, missing_ok=True)
    mask = os.umask(0o177)
    try:
        with short_path(socket_path) as name:
            return await asyncio.start_unix_server(answer, name)
    finally:
        os.umask(mask)


async def _signed(desk: SigningDesk, request: SignRequest) -> SignAnswer:
    try:
        return SignAnswer(raw=await desk.sign(request))
    except SigningRefused as refused:
        print(f"Not signed: {refused}", file=sys.stderr)
        return SignAnswer(refused=str(refused))
    except (JournalError, OSError) as error:  # what was written down is not known: nothing more may be signed
        print(f"The signer stops: {error!r}", file=sys.stderr, flush=True)
        os._exit(FATAL_EXIT)


async def _chain_id(settings: Settings) -> int:
    """Asked once, at the start; a node that does not answer yet is waited for."""
    assert settings.chain_rpc_url is not None
    chain = Chain(settings.chain_rpc_url)
    try:
        while True:
            try:
                return await chain.chain_id()
            except (ChainUnavailable, ChainRefused):
                await asyncio.sleep(CHAIN_POLL_S)
    finally:
        await chain.close()


def _release_desk(settings: Settings, layout: Layout) -> ReleaseDesk:
    infrastructure = recorded(layout)

    async def lot_of(token: Token) -> int | None:
        try:
            connection = await asyncpg.connect(settings.database_url)
        except (OSError, asyncpg.PostgresError) as error:
            raise SigningRefused(f"the lot size is not known: the database does not answer ({error})") from None
        try:
            lot = await connection.fetchval("SELECT lot_base_units FROM instruments WHERE token = $1", token)
        finally:
            await connection.close()
        return None if lot is None else int(lot)

    vault, locker = map(to_canonical_address, (infrastructure.vault, infrastructure.locker))
    return ReleaseDesk(layout.journal, bytes(vault), bytes(locker), lot_of)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
