"""Flow 1: people register, prove who they are, and are known on the chain and to the exchange."""

from __future__ import annotations

from collections.abc import Sequence

from web3 import Web3

from compliance.appointments import appoint_first_admin
from compliance.countries import ALPHA2_OF_ALPHA3, COUNTRY_NUMERIC
from deedbook.demo.flows.person import Person
from deedbook.demo.flows.stage import Stage, Told
from settlement.identities import InvestorTerms, grant_stands

MANAGER, OFFICER, TENANT = "manager", "officer", "tenant"
ADMINS = ("admin1", "admin2")
INVESTORS = ("investor1", "investor2", "investor3")
WITH_WALLET = (MANAGER, *INVESTORS)
COUNTRIES = {MANAGER: "DEU", "investor1": "DEU", "investor2": "FRA", "investor3": "NLD"}
ROLES = {"admin2": "ADMIN", MANAGER: "PROPERTY_MANAGER", OFFICER: "COMPLIANCE_OFFICER"}


async def play(stage: Stage) -> Told:
    told = Told("registration and KYC")
    for person in stage.people.values():
        await person.enlist()
    await _give_roles(stage)
    for name in WITH_WALLET:
        await stage[name].link_wallet()
        await stage[name].prove_identity(COUNTRIES[name])
    await _compare(stage, told, [stage[name] for name in WITH_WALLET])
    return told


async def _give_roles(stage: Stage) -> None:
    """The first admin is an operator's act on the machine; all others are appointed over HTTP."""
    first, second = (stage[name] for name in ADMINS)
    await first.enrol_second_factor()
    await appoint_first_admin(stage.pool, first.email, actor="demo")
    for name, role in ROLES.items():
        await stage[name].enrol_second_factor()
        path, roles = f"/users/{stage[name].user_id}/roles", {"roles": [role]}
        appointed = await first.visitor.call("PUT", path, roles)
        if appointed["decision"] is not None:  # who decides with the two admins is appointed by both
            await second.visitor.call("PUT", path, roles)


async def _compare(stage: Stage, told: Told, people: Sequence[Person]) -> None:
    for person in people:
        facts = await stage.pool.fetchrow(
            "SELECT k.status, account FROM kyc AS k JOIN wallets USING (user_id) WHERE address = $1", person.wallet
        )
        registered = await stage.pool.fetchval(
            "SELECT EXISTS (SELECT FROM identity_registrations WHERE address = $1)", person.wallet
        )
        told.same(
            f"identity of {person.name}",
            chain=await _is_known(stage, person),
            database=bool(registered) and facts["status"] == "APPROVED",
            exchange=facts["account"] is not None,
        )


async def _is_known(stage: Stage, person: Person) -> bool:
    """Whether the shared storage has the wallet with its country, and the first grant's claim stands."""
    platform, infrastructure = stage.deployment.platform, stage.deployment.infrastructure
    country = COUNTRY_NUMERIC[ALPHA2_OF_ALPHA3[COUNTRIES[person.name]]]
    terms = InvestorTerms(Web3.to_checksum_address(person.purse.address), country)
    return await grant_stands(platform, infrastructure, terms, await stage.deployment.chain.eth.block_number)
