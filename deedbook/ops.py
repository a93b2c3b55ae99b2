"""`deedbook ops`: what an operator does by hand on a running machine, by journalled commands or on chain."""

from datetime import UTC, datetime

from api.clock import utc_now
from compliance.instruments import instruments
from deedbook.chain_keys import next_key, use_next_key
from deedbook.deployment import addresses_of, recorded
from deedbook.market_controls.schedules import look_again
from deedbook.phase_lock import lock_phase
from deedbook.running import Running
from engine import types as t
from settlement.artifacts import ours
from settlement.chain import Chain
from settlement.infrastructure import read
from settlement.reconcile import ChainLevel, chain_levels
from settlement.records import Records

PHASES = {phase.name.lower().replace("_", "-"): phase for phase in t.Phase}
NS = 10**9
ROLE_CONTRACTS = {
    "operator": (("SettlementBridge", "bridge"),),
    "releaser": (("CashVault", "vault"), ("TokenLocker", "locker")),
}


class OpsError(Exception):
    """It could not be done; one sentence."""


async def set_phase(
    market: Running,
    symbol: str | None,
    phase: t.Phase,
    until_ns: int = 0,
    then: t.Phase = t.Phase.CONTINUOUS,
    *,
    ends_day: bool = False,
) -> str:
    """Of one instrument, or of the whole venue; a call may end by itself. Raises OpsError.

    An instrument with a schedule is in hand until the call's end, or until it is continuous.
    """
    number = t.VENUE if symbol is None else await _number_of(market, symbol)
    async with market.pool.acquire() as connection, connection.transaction():
        await lock_phase(connection, number)
        seq = await _sent(market, t.SetPhase(number, phase, until_ns, then, int(ends_day)))
        await look_again(connection, number, _back_at(phase, until_ns))
    return f"{symbol or 'The venue'} is {phase.name} from seq {seq} on."


def _back_at(phase: t.Phase, until_ns: int) -> datetime | None:
    if until_ns:
        return datetime.fromtimestamp(until_ns / NS, UTC)
    return utc_now() if phase == t.Phase.CONTINUOUS else None


async def set_bands(
    market: Running, symbol: str, reference_ticks: int, static_bps: int, dynamic_bps: int, call_s: int
) -> str:
    """All of them anew; a reference of 0 leaves the one that stands. Raises OpsError."""
    number = await _number_of(market, symbol)
    seq = await _sent(market, t.SetBands(number, reference_ticks, static_bps, dynamic_bps, call_s * NS))
    return f"{symbol} has its bands from seq {seq} on."


async def set_period(market: Running, symbol: str, period_s: int) -> str:
    """How often its periodic call is uncrossed; 0: never by itself. Raises OpsError."""
    seq = await _sent(market, t.SetAuctions(await _number_of(market, symbol), period_s * NS))
    return f"{symbol} has its period from seq {seq} on."


async def _sent(market: Running, command: t.SetPhase | t.SetBands | t.SetAuctions) -> int:
    (answer,) = await market.submit([command])
    if (rejected := answer.rejection()) is not None:
        raise OpsError(f"The exchange refused: {t.Reason(rejected.reason).name}.")
    return answer.seq


async def kill_switch(market: Running, account: int, symbol: str | None, on: bool) -> str:
    """Of an account (0: all) in an instrument, or in all. Raises OpsError."""
    number = t.VENUE if symbol is None else await _number_of(market, symbol)
    (answer,) = await market.submit([t.KillSwitch(account, number, int(on))])
    if (rejected := answer.rejection()) is not None:
        raise OpsError(f"The exchange refused: {t.Reason(rejected.reason).name}.")
    closed = sum(isinstance(event, t.Closed) for event in answer.events)
    whose = f"account {account}" if account else "every account"
    what = f"on: {closed} orders closed" if on else "off"
    return f"The kill switch of {whose} in {symbol or 'the venue'} is {what}, at seq {answer.seq}."


async def set_limits(
    market: Running, account: int, symbol: str, order_usdc: int, position_lots: int, orders: int
) -> str:
    """Of an account (0: of all that have none of their own) in an instrument; 0: none. Raises OpsError."""
    number = await _number_of(market, symbol)
    (answer,) = await market.submit([t.SetLimits(account, number, order_usdc * 10**6, position_lots, orders)])
    if (rejected := answer.rejection()) is not None:
        raise OpsError(f"The exchange refused: {t.Reason(rejected.reason).name}.")
    return f"The limits of {f'account {account}' if account else symbol} stand from seq {answer.seq} on."


async def pending_transactions(market: Running) -> list[str]:
    """Transactions that were recorded and are not mined, oldest first: which batch, nonce, age and fee."""
    rows = await market.pool.fetch(
        "SELECT purpose, nonce, attempt, transaction, max_fee_wei, extract(epoch FROM now() - recorded_at) AS age_s"
        " FROM settlement_transactions WHERE NOT is_done ORDER BY sender, nonce, attempt"
    )
    return [
        f"{row['purpose']} attempt {row['attempt']}: nonce {row['nonce']}, {float(row['age_s']):.0f} s old,"
        f" offers {row['max_fee_wei']} wei a gas, 0x{row['transaction'].hex()}"
        for row in rows
    ]


async def send_again(market: Running) -> str:
    """Hand the node every recorded transaction that is not done; harmless, as each is the very same bytes."""
    raws = await market.pool.fetch(
        "SELECT raw FROM settlement_transactions WHERE NOT is_done ORDER BY sender, nonce, attempt DESC"
    )
    chain = _chain(market)
    try:
        for row in raws:
            await chain.send(row["raw"])
    finally:
        await chain.close()
    return f"{len(raws)} transactions handed to the node again."


async def reconcile(market: Running, account: int) -> tuple[bool, list[str]]:
    """One account: what the chain says beside what the journal says, asset by asset."""
    levels = await _chain_levels(market, account)
    rows = await market.pool.fetch("SELECT * FROM balances WHERE account = $1 ORDER BY instrument", account)
    ours_by_asset = {row["instrument"]: row for row in rows}
    agrees, lines = True, []
    for (_, asset), level in sorted(levels.items()):
        row = ours_by_asset.get(asset)
        mine = (row["level"], row["position_lots"]) if row is not None else (0, 0)
        same = mine == (level.level, level.position_lots)
        agrees &= same
        name = "USDC micros" if asset == t.USDC else f"instrument {asset} lots"
        lines.append(
            f"{name}: journal {mine[0]} (position {mine[1]}), chain {level.level} (position {level.position_lots})"
            f"{'' if same else '  DIFFERS'}"
        )
    return agrees, lines


async def adjust(market: Running, account: int, asset: int) -> str:
    """Set one of an account's levels to the chain's, after a reorg below FINAL; crediting goes on. Raises OpsError."""
    levels = await _chain_levels(market, account)
    level = levels.get((account, asset), ChainLevel(0, 0, 0))
    chain = _chain(market)
    try:
        block = await chain.final_block()
    finally:
        await chain.close()
    command = t.Adjust(account, asset, level.level, level.requested, level.position_lots, block, 0)
    (answer,) = await market.submit([command])
    if (rejected := answer.rejection()) is not None:
        raise OpsError(f"The exchange refused: {t.Reason(rejected.reason).name}.")
    return f"Account {account}, asset {asset}: level {level.level} as of block {block}, at seq {answer.seq}."


async def rotate_signer(market: Running, role: str, execute: bool) -> list[str]:
    """Change a signer's key on chain: queue it first, and after the contracts' delay execute it. Raises OpsError."""
    deployment = await market.deployment()
    fresh = next_key(market.layout.signer_keys, role)
    role_id = role.encode().ljust(32, b"\0")
    done: list[str] = []
    for name, field in ROLE_CONTRACTS[role]:
        address = getattr(deployment.infrastructure, field)
        if not execute:
            call = ours(name).call_data("queueChange", [role_id, fresh.address])
            await deployment.platform.owner.send(address, call)
        holder, ready_at = await read(deployment.chain, ours(name), address, "queuedChange", role_id)
        if execute:
            now_s = (await deployment.chain.eth.get_block("latest"))["timestamp"]
            if holder != fresh.address or now_s < ready_at:
                raise OpsError(f"{name} does not allow the change before {ready_at} (its clock says {now_s}).")
            await deployment.platform.owner.send(address, ours(name).call_data("executeChange", [role_id]))
        done.append(f"{name}: {role} {'is' if execute else 'becomes'} {fresh.address} (ready at {ready_at}).")
    if execute:
        use_next_key(market.layout.signer_keys, role)
        done.append(f"The new key is in place; restart the {role} signer.")
    return done


async def _number_of(market: Running, symbol: str) -> int:
    for instrument in await instruments(market.pool):
        if instrument.symbol == symbol:
            return instrument.instrument
    raise OpsError(f"There is no instrument {symbol}.")


async def _chain_levels(market: Running, account: int) -> dict[tuple[int, int], ChainLevel]:
    if not await market.pool.fetchval("SELECT 1 FROM settlement_wallets WHERE account = $1 LIMIT 1", account):
        raise OpsError(f"There is no account {account}.")
    records, chain = Records(market.pool), _chain(market)
    try:
        addresses = addresses_of(recorded(market.layout))
        listed, wallets = await records.instruments(), await records.wallets([account])
        return await chain_levels(chain, addresses, [account], wallets, list(listed.values()))
    finally:
        await chain.close()


def _chain(market: Running) -> Chain:
    assert market.settings.chain_rpc_url is not None
    return Chain(market.settings.chain_rpc_url, confirmations=0)
