"""The command line: words in, one call, an exit status. What is heavy is imported by the command that needs it."""

import argparse
import asyncio
import ipaddress
import os
import string
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from deedbook.settings import Settings, SettingsError
from engine.engines import NAMES, engine_class

if TYPE_CHECKING:
    from deedbook.running import Running

DATA_DEFAULT = "data"
RSA_BITS_MIN, RSA_BITS_MAX = 2_048, 4_096
ACCOUNT_MAX = 2**32 - 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 0 when done, 1 with one sentence when it could not be, 2 for words that are no command."""
    parsed = _parser().parse_args(arguments)
    from deedbook.mistakes import MISTAKES

    try:
        status: int = parsed.call(parsed)
    except MISTAKES as error:
        print(f"deedbook: {error}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="deedbook", description="An exchange for tokenized property.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_run(commands.add_parser("run", help="start everything on this machine, with a demo market"))
    _add_demo(commands.add_parser("demo", help="a market of real clients on a real local chain, start to settled"))
    replay = commands.add_parser("replay", help="replay a journal; print its seq, state hash and counts")
    replay.add_argument("directory", type=Path, metavar="DIR", help="a data directory, or its journal")
    replay.add_argument("--engine", choices=NAMES, help="which engine replays it (default: core where it is built)")
    replay.set_defaults(call=_replay)
    verify = commands.add_parser("verify", help="check a data directory's journal and database, and the chain")
    verify.add_argument("directory", type=Path, metavar="DIR", help="a data directory")
    verify.add_argument("--rpc", metavar="URL", help="the chain's JSON-RPC; without it the chain is not asked")
    verify.set_defaults(call=_verify)
    _add_keys(commands.add_parser("keys", help="API keys of the trading API"))
    _add_people(commands.add_parser("people", help="the facts that permissions are compiled from"))
    _add_ops(commands.add_parser("ops", help="what an operator does by hand"))
    return parser


def _add_run(run: argparse.ArgumentParser) -> None:
    run.add_argument("--data", dest="data_dir", metavar="DIR", help="where everything is kept (default: data)")
    run.add_argument("--port", metavar="P", help="of the pages (default: 8080)")
    run.add_argument("--engine", metavar="NAME", help="core (C++) or python (default: core where it is built)")
    run.add_argument(
        "--gateways", metavar="N", help="processes that serve the trading API (default: the exchange does)"
    )
    run.add_argument("--no-demo", dest="demo_market", action="store_const", const="no", help="no demo market")
    run.set_defaults(call=_run)


def _add_demo(demo: argparse.ArgumentParser) -> None:
    demo.add_argument("--seconds", type=int, default=30, metavar="S", help="how long to trade (default: 30)")
    demo.add_argument("--flow", type=Path, metavar="FILE", help="recorded order flow to replay (docs/flow.md)")
    demo.add_argument("--seed", type=int, default=1, metavar="N", help="of the traders' choices (default: 1)")
    demo.add_argument("--json", action="store_true", help="print one JSON object, and nothing else on stdout")
    demo.add_argument("--gateways", type=int, default=0, metavar="N", help="as of run; not with --flows")
    demo.add_argument("--keep", type=Path, metavar="DIR", help="keep the data there, and go on running until Ctrl-C")
    demo.add_argument("--flows", action="store_true", help="play the other flows instead, from sign-up to exit")
    demo.set_defaults(call=_demo)


def _add_keys(keys: argparse.ArgumentParser) -> None:
    keys.add_argument("--data", type=Path, default=Path(DATA_DEFAULT), metavar="DIR")
    commands = keys.add_subparsers(required=True, metavar="COMMAND")
    create = commands.add_parser("create", help="make a key for an account; its secret is shown once")
    create.add_argument("--account", type=int, required=True, metavar="N")
    create.add_argument("--ed25519", metavar="HEX", help="an Ed25519 public key instead of a shared secret")
    create.add_argument("--rsa", type=Path, metavar="FILE", help="an RSA public key (PEM) instead of a shared secret")
    create.add_argument("--read-only", action="store_true")
    create.add_argument("--ip", action="append", default=[], metavar="ADDRESS", help="only from there (may repeat)")
    create.set_defaults(call=_keys_create)
    commands.add_parser("list", help="all keys, without secrets").set_defaults(call=_keys_list)
    revoke = commands.add_parser("revoke", help="make a key invalid at once")
    revoke.add_argument("key", metavar="KEY")
    revoke.set_defaults(call=_keys_revoke)


def _add_people(people: argparse.ArgumentParser) -> None:
    people.add_argument("--data", type=Path, default=Path(DATA_DEFAULT), metavar="DIR")
    commands = people.add_subparsers(required=True, metavar="COMMAND")
    forms = {
        "add": ("a person, by e-mail address", ("email",)),
        "wallet": ("link a wallet to a person", ("email", "address")),
        "kyc": ("approved (with --until), pending, rejected or none", ("email", "status")),
        "accreditation": ("verified (with --until), pending, rejected or none", ("email", "status")),
        "country": ("where a person lives, ISO 3166 alpha-2", ("email", "code")),
        "show": ("what a wallet may do in an instrument, and why not more", ("address", "symbol")),
    }
    for name, (text, words) in forms.items():
        command = commands.add_parser(name, help=text)
        for word in words:
            command.add_argument(word)
        if name in ("kyc", "accreditation"):
            command.add_argument("--until", metavar="YYYY-MM-DD")
        command.set_defaults(call=_people, form=name)


def _add_market_structure(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    phase = commands.add_parser("phase", help="bring an instrument into a phase; see docs/rules.md")
    phase.add_argument("symbol")
    phase.add_argument("phase", metavar="PHASE", help="as in docs/rules.md, in small letters: opening-call")
    phase.add_argument("--minutes", type=float, default=0, help="a call ends by itself after so long")
    phase.add_argument("--then", default="continuous", metavar="PHASE", help="and this follows")
    phase.add_argument("--end-day", action="store_true", help="DAY orders close, after the uncross")
    phase.set_defaults(call=_ops_phase)
    bands = commands.add_parser("bands", help="how far an instrument's prices may go; what is not named is off")
    bands.add_argument("symbol")
    bands.add_argument("--reference-ticks", type=int, default=0, help="of the static band; else it stays as it is")
    bands.add_argument("--static-bps", type=int, default=0)
    bands.add_argument("--dynamic-bps", type=int, default=0)
    bands.add_argument("--call-s", type=int, default=300, help="how long the volatility call is")
    bands.set_defaults(call=_ops_bands)
    period = commands.add_parser("period", help="how often an instrument's periodic call is uncrossed")
    period.add_argument("symbol")
    period.add_argument("seconds", type=int)
    period.set_defaults(call=_ops_period)


def _add_guards(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    for name, text in (("kill", "close open orders and refuse new ones"), ("release", "take them again")):
        switch = commands.add_parser(name, help=f"{text}: of the venue, an instrument or an account")
        switch.add_argument("symbol", nargs="?")
        switch.add_argument("--account", type=int, default=0)
        switch.set_defaults(call=_ops_kill_switch, on=name == "kill")
    limit = commands.add_parser(
        "limit", help="limits of an instrument, or of an account in it; what is left out has none"
    )
    limit.add_argument("symbol")
    limit.add_argument("--account", type=int, default=0)
    limit.add_argument("--order-usdc", type=int, default=0, help="what one order may be worth")
    limit.add_argument("--position-lots", type=int, default=0, help="what a buy may lead to")
    limit.add_argument("--orders", type=int, default=0, help="open at once")
    limit.set_defaults(call=_ops_limit)


def _add_ops(ops: argparse.ArgumentParser) -> None:
    ops.add_argument("--data", type=Path, default=Path(DATA_DEFAULT), metavar="DIR")
    commands = ops.add_subparsers(required=True, metavar="COMMAND")
    admin = commands.add_parser("admin", help="make a verified person the first admin, who appoints the others")
    admin.add_argument("email")
    admin.set_defaults(call=_ops_admin)
    pause = commands.add_parser("pause", help="halt the venue or one instrument")
    pause.add_argument("symbol", nargs="?")
    pause.add_argument("--cancel-only", action="store_true", help="cancels stay possible")
    pause.set_defaults(call=_ops_pause)
    resume = commands.add_parser("resume", help="trade again")
    resume.add_argument("symbol", nargs="?")
    resume.set_defaults(call=_ops_resume)
    _add_market_structure(commands)
    _add_guards(commands)
    transactions = commands.add_parser("transactions", help="settlement transactions that are not mined")
    transactions.add_argument("--send-again", action="store_true", help="hand them to the node again")
    transactions.set_defaults(call=_ops_transactions)
    reconcile = commands.add_parser("reconcile", help="an account's balances: journal beside chain")
    reconcile.add_argument("account", type=int)
    reconcile.add_argument("--adjust", type=int, metavar="ASSET", help="set this asset to the chain's level (0: USDC)")
    reconcile.set_defaults(call=_ops_reconcile)
    rotate = commands.add_parser("rotate", help="change a signer's key: queue it, later execute it")
    rotate.add_argument("role", choices=("operator", "releaser"))
    rotate.add_argument("--execute", action="store_true", help="after the contracts' delay")
    rotate.set_defaults(call=_ops_rotate)


def _run(parsed: argparse.Namespace) -> int:
    from deedbook.run import run

    given = {name: getattr(parsed, name) for name in ("data_dir", "port", "engine", "gateways", "demo_market")}
    settings = Settings.read(os.environ, given)
    engine_class(settings.engine)  # say before anything starts that one is missing
    return asyncio.run(run(settings))


def _demo(parsed: argparse.Namespace) -> int:
    if parsed.flows:
        from deedbook.demo.flows.play import flows

        return asyncio.run(flows(parsed.keep, as_json=parsed.json))
    from deedbook.demo.run import demo

    return asyncio.run(
        demo(
            parsed.seconds,
            parsed.seed,
            parsed.flow,
            parsed.keep,
            as_json=parsed.json,
            gateways=parsed.gateways,
        )
    )


def _replay(parsed: argparse.Namespace) -> int:
    from deedbook.replaying import replayed

    print(replayed(parsed.directory, parsed.engine).text())
    return 0


def _verify(parsed: argparse.Namespace) -> int:
    from deedbook.verify import verify

    checks = asyncio.run(verify(parsed.directory.absolute(), parsed.rpc))
    for check in checks:
        print(f"{'ok   ' if check.is_kept else 'FAILS'} {check.name}")
        for finding in check.findings:
            print(f"      {finding}")
    return 0 if all(check.is_kept for check in checks) else 1


def _keys_create(parsed: argparse.Namespace) -> int:
    from deedbook.layout import Layout
    from gateway.keys import READ, TRADE, KeyStore

    store = KeyStore(Layout(parsed.data).api_keys)
    permissions = {READ} if parsed.read_only else {READ, TRADE}
    if not 0 < parsed.account <= ACCOUNT_MAX:
        raise SettingsError(f"An account is a whole number from 1 to {ACCOUNT_MAX}, not {parsed.account}.")
    for address in parsed.ip:
        _require_address(address)
    if parsed.rsa is not None:
        print(f"key    {store.create_rsa(parsed.account, _rsa_key(parsed.rsa), permissions, parsed.ip).key}")
        return 0
    if parsed.ed25519 is None:
        key = store.create_hmac(parsed.account, permissions, parsed.ip)
        print(f"key    {key.key}\nsecret {key.secret.decode()}")
        return 0
    if len(parsed.ed25519) != 64 or not set(parsed.ed25519) <= set(string.hexdigits):
        raise SettingsError("An Ed25519 public key is 64 hex digits.")
    public_key = bytes.fromhex(parsed.ed25519)
    print(f"key    {store.create_ed25519(parsed.account, public_key, permissions, parsed.ip).key}")
    return 0


def _rsa_key(path: Path) -> bytes:
    """The file's public key in DER. Raises SettingsError."""
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path} holds no public key in PEM: {error}") from None
    if not isinstance(key, RSAPublicKey) or not RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
        raise SettingsError(f"{path} must hold an RSA key of {RSA_BITS_MIN} to {RSA_BITS_MAX} bits.")
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _require_address(text: str) -> None:
    """Raises SettingsError unless it is spelt as the gateway will see it: a key for another spelling opens nothing."""
    try:
        spelling = str(ipaddress.ip_address(text))
    except ValueError:
        raise SettingsError(f"{text!r} is not an IP address.") from None
    if spelling != text:
        raise SettingsError(f"Write the address {text!r} as {spelling}.")


def _keys_list(parsed: argparse.Namespace) -> int:
    from deedbook.layout import Layout
    from gateway.keys import KeyStore

    for key in KeyStore(Layout(parsed.data).api_keys).all():
        scopes, ips = ",".join(sorted(key.permissions)), ",".join(sorted(key.ips)) or "anywhere"
        print(f"{key.key} {key.kind} account {key.account} {scopes} from {ips}")
    return 0


def _keys_revoke(parsed: argparse.Namespace) -> int:
    from deedbook.layout import Layout
    from gateway.keys import KeyStore

    if not KeyStore(Layout(parsed.data).api_keys).revoke(parsed.key):
        raise SettingsError("There is no such key.")
    return 0


def _people(parsed: argparse.Namespace) -> int:
    import time

    from compliance import commands

    async def act(market: "Running") -> str:
        match parsed.form:
            case "add":
                return await commands.add_user(market.pool, parsed.email, actor="operator")
            case "wallet":
                return await commands.add_wallet(market.pool, parsed.email, parsed.address, actor="operator")
            case "country":
                return await commands.country(market.pool, parsed.email, parsed.code, actor="operator")
            case "show":
                return await commands.show_permission(market.pool, parsed.address, parsed.symbol, time.time_ns())
            case form:
                set_fact = commands.kyc if form == "kyc" else commands.accreditation
                return await set_fact(market.pool, parsed.email, parsed.status, parsed.until, actor="operator")

    return _on_running(parsed.data, act)


def _ops_pause(parsed: argparse.Namespace) -> int:
    from deedbook import ops

    phase = ops.PHASES["cancel-only" if parsed.cancel_only else "halt"]
    return _on_running(parsed.data, lambda market: ops.set_phase(market, parsed.symbol, phase))


def _ops_admin(parsed: argparse.Namespace) -> int:
    from compliance.appointments import appoint_first_admin

    async def act(market: "Running") -> str:
        await appoint_first_admin(market.pool, parsed.email, actor="operator")
        return f"{parsed.email} is an admin; they need a second factor to act as one."

    return _on_running(parsed.data, act)


def _ops_resume(parsed: argparse.Namespace) -> int:
    from deedbook import ops

    return _on_running(parsed.data, lambda market: ops.set_phase(market, parsed.symbol, ops.PHASES["continuous"]))


def _ops_phase(parsed: argparse.Namespace) -> int:
    import time

    from deedbook import ops

    for name in (parsed.phase, parsed.then):
        if name not in ops.PHASES:
            raise SettingsError(f"There is no phase {name}; there are {', '.join(ops.PHASES)}.")
    phase, then = ops.PHASES[parsed.phase], ops.PHASES[parsed.then]
    until_ns = time.time_ns() + int(parsed.minutes * 60 * ops.NS) if parsed.minutes else 0
    return _on_running(
        parsed.data,
        lambda market: ops.set_phase(market, parsed.symbol, phase, until_ns, then, ends_day=parsed.end_day),
    )


def _ops_bands(parsed: argparse.Namespace) -> int:
    from deedbook import ops

    bands = (parsed.reference_ticks, parsed.static_bps, parsed.dynamic_bps, parsed.call_s)
    return _on_running(parsed.data, lambda market: ops.set_bands(market, parsed.symbol, *bands))


def _ops_period(parsed: argparse.Namespace) -> int:
    from deedbook import ops

    return _on_running(parsed.data, lambda market: ops.set_period(market, parsed.symbol, parsed.seconds))


def _ops_kill_switch(parsed: argparse.Namespace) -> int:
    from deedbook import ops

    return _on_running(parsed.data, lambda market: ops.kill_switch(market, parsed.account, parsed.symbol, parsed.on))


def _ops_limit(parsed: argparse.Namespace) -> int:
    from deedbook import ops

    numbers = (parsed.order_usdc, parsed.position_lots, parsed.orders)
    return _on_running(parsed.data, lambda market: ops.set_limits(market, parsed.account, parsed.symbol, *numbers))


def _ops_transactions(parsed: argparse.Namespace) -> int:
    from deedbook import ops

    async def act(market: "Running") -> str:
        if parsed.send_again:
            return await ops.send_again(market)
        return "\n".join(await ops.pending_transactions(market)) or "Every transaction is mined."

    return _on_running(parsed.data, act)


def _ops_reconcile(parsed: argparse.Namespace) -> int:
    from deedbook import ops

    agrees = True

    async def act(market: "Running") -> str:
        nonlocal agrees
        if parsed.adjust is not None:
            return await ops.adjust(market, parsed.account, parsed.adjust)
        agrees, lines = await ops.reconcile(market, parsed.account)
        return "\n".join(lines)

    return _on_running(parsed.data, act) or (0 if agrees else 1)


def _ops_rotate(parsed: argparse.Namespace) -> int:
    from deedbook import ops

    async def act(market: "Running") -> str:
        return "\n".join(await ops.rotate_signer(market, parsed.role, parsed.execute))

    return _on_running(parsed.data, act)


def _on_running(data_dir: Path, act: Callable[["Running"], Awaitable[str]]) -> int:
    """Do something on the machine that runs on a data directory, and print what it says."""
    from deedbook.running import running

    place = data_dir.absolute()

    async def work() -> str:
        async with running(place) as market:
            return await act(market)

    print(asyncio.run(work()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
