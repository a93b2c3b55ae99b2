"""Flow 2: a property is drafted, documented, approved by two people, and becomes a token."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from deedbook.demo.flows.sign_up import ADMINS, MANAGER
from deedbook.demo.flows.stage import Stage, Told
from deedbook.demo.papers import papers
from deedbook.demo.waiting import until
from properties.terms import TermsWords

SUPPLY_TOKENS: Final = 1_000
DECIMALS: Final = 18
TOKEN: Final = 10**DECIMALS
TERMS: Final[dict[str, Any]] = {
    "name": "5 Birch Lane",
    "symbol": "BIRCH5",
    "address": "5 Birch Lane, Exampleton",
    "valuation_usdc": "10000",
    "supply_tokens": str(SUPPLY_TOKENS),
    "holder_cap": 50,
    "regime": "REG_S",
}


async def play(stage: Stage) -> Told:
    told = Told("property creation and tokenization")
    manager, first = stage[MANAGER], stage[ADMINS[0]]
    body = {"terms": TERMS, "issuer_wallet": manager.purse.address}
    drafted = await manager.visitor.post("/properties", body)
    stage.property_id = UUID(drafted["property_id"])
    one = f"/properties/{stage.property_id}"
    for name, content in papers(TermsWords(**TERMS)).items():
        await manager.visitor.upload(f"{one}/documents", content, name=name)
    await manager.visitor.post(f"{one}/submit")
    await first.noticed("PROPERTY_SUBMITTED")
    await stage.approve(await first.visitor.post(f"{one}/approve"))
    await stage.approve(await first.visitor.post(f"/tokens/mint/{stage.property_id}"))
    tokenized = await _tokenized(stage, one)
    stage.token, stage.symbol = bytes.fromhex(tokenized["token"][2:]), tokenized["market"]
    await _compare(stage, told, tokenized)
    return told


async def _tokenized(stage: Stage, path: str) -> dict[str, Any]:
    async def ready() -> dict[str, Any] | None:
        found = await stage[ADMINS[0]].visitor.get(path)
        return found if found["state"] == "TOKENIZED" else None

    return await until(ready, "the property is tokenized")


async def _compare(stage: Stage, told: Told, tokenized: dict[str, Any]) -> None:
    row = await stage.pool.fetchrow("SELECT * FROM instruments WHERE token = $1", stage.token)
    exchange = await stage.trading_rules()
    supply = SUPPLY_TOKENS * TOKEN
    told.same("supply in base units", chain=await stage.on_token("totalSupply"), asked=supply)
    held = await stage.tokens_of(stage[MANAGER].purse.address)
    told.same("the issuer's tokens", chain=held, asked=supply)
    told.same("symbol", database=row["symbol"], route=tokenized["market"], exchange=exchange["symbol"])
    told.same("decimals", chain=await stage.on_token("decimals"), database=row["token_decimals"], asked=DECIMALS)
