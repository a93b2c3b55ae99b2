"""docs/flows.md says what the code does: routes, jobs and states are those of the role table, handlers and tables."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from typing import Final

import pytest

from compliance import daily, identities, kyc, lost_wallets
from compliance.identities import GrantState
from compliance.kyc_events import Stage
from compliance.roles import ROUTE_ROLES
from deedbook.jobs import convert
from deedbook.market_controls import guards, phases
from deedbook.operating import operations
from payments import management_payments, stripe_events
from payments.stripe_objects import SessionState
from persistence.database import migrations
from persistence.jobs import JobState
from properties import decisions
from properties.property import PropertyState
from settlement import dividends, exits, purchase, sale
from settlement.chain_notes import EventState
from settlement.sale_rows import PurchaseState, SaleState

ROOT: Final = Path(__file__).parent.parent
DOCUMENT: Final = (ROOT / "docs" / "flows.md").read_text()
FLOWS: Final = re.split(r"^## ", DOCUMENT, flags=re.MULTILINE)[1:]
ROUTE: Final = re.compile(r"\b(GET|POST|PUT|PATCH|DELETE)\s+(/[a-z0-9_{}/.-]*[a-z0-9_}])")
ROOMS: Final = ("compliance", "deedbook", "payments", "properties", "settlement")
HEAD: Final = "| of | state | it means | what moves it on | what a person can do |"
KINDS: Final = frozenset(
    {
        *(kyc.APPROVAL_JOB, identities.GRANT_JOB, identities.REVOKE_JOB, lost_wallets.CASH_ACCOUNT_JOB),
        *(*daily.JOBS, decisions.TOKENIZE),
        *(sale.OPEN_JOB, sale.CLOSE_JOB, purchase.PURCHASE_JOB, purchase.SEEN_JOB),
        *(stripe_events.JOB, convert.KIND, management_payments.JOB, dividends.PREPARE, dividends.PAY),
        *(exits.LIQUIDATE, exits.PREPARE, exits.REDEEM),
        *(operations.FREEZE_JOB, operations.FEES_JOB, phases.HALT_LIFT_JOB),
        *(guards.BANDS_JOB, guards.KILL_RELEASE_JOB, guards.LIMITS_JOB),
    }
)
ENUMS: Final = {
    "jobs.state": JobState,
    "kyc_applicants.stage": Stage,
    "identity_grants.state": GrantState,
    "properties.state": PropertyState,
    "sales.state": SaleState,
    "purchases.state": PurchaseState,
    "stripe_sessions.state": SessionState,
    "chain_events.state": EventState,
}
# Further columns with a list of values that are no state of a flow.
OTHER_STATES: Final = frozenset(
    {
        *("kyc.status", "accreditation.status", "mails.state", "stripe_payouts.state", "settlement_releases.state"),
        *("circle_deposits.status", "circle_transfers.status"),
    }
)


def documented_states() -> dict[str, list[str]]:
    """The states of each column in the order of the tables."""
    found: dict[str, list[str]] = {}
    of = ""
    for line in DOCUMENT.splitlines():
        cells = [cell.strip() for cell in line.split(" | ")] if line.startswith("| ") else []
        if len(cells) < 5 or line == HEAD:
            continue
        of = cells[0].lstrip("| ").strip("`") or of
        found.setdefault(of, []).append(cells[1])
    return found


def states_in_sql() -> dict[str, list[str]]:
    """Each column that a CHECK holds to a list of states, or that is computed as one of some words."""
    found: dict[str, list[str]] = {}
    for migration in migrations():
        for table, body in re.findall(r"CREATE TABLE (\w+) \((.*?)\n\)", migration.sql, re.DOTALL):
            for column, values in re.findall(
                r"^    (state|stage|status|effect) text[^,]*?CHECK \(\1 IN\s*\((.*?)\)\)",
                body,
                re.DOTALL | re.MULTILINE,
            ):
                found[f"{table}.{column}"] = re.findall(r"'(\w+)'", values)
            for column, values in re.findall(
                r"^    (\w+) text GENERATED ALWAYS AS \((.*?)\) VIRTUAL", body, re.S | re.M
            ):
                found[f"{table}.{column}"] = re.findall(r"(?:THEN|ELSE) '(\w+)'", values)
        for name, column, values in re.findall(  # a later migration's list takes the place of the first one
            r"ADD CONSTRAINT (\w+)_check CHECK \(\s*(state|stage|status|effect) IN \((.*?)\)\)",
            migration.sql,
            re.DOTALL,
        ):
            found[f"{name.removesuffix(f'_{column}')}.{column}"] = re.findall(r"'(\w+)'", values)
    return found


def named_jobs() -> set[str]:
    """Kinds stand after the word job, and in the tables in backquotes, where a second one may follow at a distance."""
    diagrams = "".join(re.findall(r"```mermaid(.*?)```", DOCUMENT, re.DOTALL))
    in_diagrams = set(re.findall(r"\bjob ([a-z_-]+)", diagrams))
    return (
        in_diagrams
        | set(re.findall(r"\bjob `([a-z_-]+)`", DOCUMENT))
        | (set(re.findall(r"`([a-z_-]+)`", DOCUMENT)) & KINDS)
    )


def enqueued_kinds() -> set[str]:
    """What the rooms enqueue, by the constants that they name it with."""
    found = set()
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            for name in re.findall(r"enqueue\(\s*connection,\s*([A-Z_]+),", path.read_text()):
                module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
                found.add(getattr(module, name))
    return found


def test_it_has_seven_flows_each_with_a_diagram_a_table_and_a_word_on_kills() -> None:
    assert [flow[0] for flow in FLOWS] == list("1234567")
    for flow in FLOWS:
        assert flow.count("```mermaid\nsequenceDiagram") == 1
        assert flow.count(HEAD) == 1
        assert flow.count("**After a kill.**") == 1


def test_every_route_it_names_exists() -> None:
    named = set(ROUTE.findall(DOCUMENT))
    assert named - ROUTE_ROLES.keys() == set()


def test_every_route_that_changes_something_is_in_it() -> None:
    named = set(ROUTE.findall(DOCUMENT))
    assert {route for route in ROUTE_ROLES if route[0] != "GET"} - named == set()


def test_every_job_it_names_exists_and_every_job_is_in_it() -> None:
    assert named_jobs() == KINDS


def test_no_kind_of_job_is_missing_here() -> None:
    assert len(enqueued_kinds()) > 10
    assert enqueued_kinds() - KINDS == set()


@pytest.mark.parametrize("of", sorted(documented_states().keys() - {"liquidations"}))
def test_its_states_are_those_of_the_tables(of: str) -> None:
    states = documented_states()[of]
    assert len(set(states)) == len(states)
    assert set(states) == set(states_in_sql()[of])


@pytest.mark.parametrize("of", sorted(ENUMS))
def test_its_states_are_those_of_the_code(of: str) -> None:
    assert set(documented_states()[of]) == {state.value for state in ENUMS[of]}


def test_the_steps_of_a_liquidation_are_its_columns_in_their_order() -> None:
    body = next(m for m in migrations() if m.name == "liquidations").sql
    columns = re.findall(r"^    (\w+_(?:seq|block)) bigint", body, re.MULTILINE)
    assert documented_states()["liquidations"] == columns
    assert [name for name in exits.Liquidation.__dataclass_fields__ if name in columns] == columns


def test_no_state_of_a_flow_is_missing() -> None:
    assert states_in_sql().keys() - documented_states().keys() == OTHER_STATES


def test_the_diagrams_are_of_one_kind_of_line() -> None:
    """A participant, or a message between two that were named."""
    for flow in FLOWS:
        lines = flow.split("```mermaid\nsequenceDiagram\n")[1].split("\n```")[0].splitlines()
        names = {name for line in lines for name in re.findall(r"^    (?:actor|participant) (\w+) as ", line)}
        messages = [line for line in lines if "->>" in line]
        assert len(messages) + len(names) == len(lines)
        for message in messages:
            match = re.fullmatch(r"    (\w+)--?>>(\w+): [^#;]+", message)
            assert match is not None, message
            assert {match[1], match[2]} <= names
