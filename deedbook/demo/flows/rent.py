"""Flow 4: a tenant pays rent in dollars, which become USDC, and holders of record get their dividend."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any, Final

from api.amounts import usd, usd_cents, usdc_micros
from deedbook.demo.flows.sign_up import ADMINS, INVESTORS, MANAGER, TENANT
from deedbook.demo.flows.stage import Stage, Told
from deedbook.demo.waiting import until

RENT_USD: Final = "1000.00"
EXPENSE_USD: Final = "50.00"
REFUND_CENTS: Final = 10_000
MICROS_A_CENT: Final = 10_000


async def play(stage: Stage) -> Told:
    told = Told("rent to dividend")
    await _pay_rent(stage, told)
    await _convert(stage, told)
    await _dividend(stage, told)
    await _refund(stage, told)
    return told


async def _pay_rent(stage: Stage, told: Told) -> None:
    manager, tenant = stage[MANAGER], stage[TENANT]
    today = datetime.now(UTC).date()
    lease = await manager.visitor.post(
        f"/properties/{stage.property_id}/leases",
        {
            "unit": "1",
            "tenant_email": tenant.email,
            "rent_usd": RENT_USD,
            "due_day": 1,
            "starts_on": date(today.year, today.month, 1).isoformat(),
        },
    )
    link = await tenant.visitor.post("/rent/links", {"lease_id": lease["lease_id"], "period": f"{today:%Y-%m}"})
    await stage.outside.pay(link["url"])
    expense = {"usd": EXPENSE_USD, "what": "gutters", "spent_on": today.isoformat()}
    await manager.visitor.post(f"/properties/{stage.property_id}/expenses", expense)

    async def paid() -> dict[str, Any] | None:
        payments = await tenant.visitor.get("/rent/payments")
        return payments[0] if payments and payments[0]["state"] == "PAID" else None

    payment = await until(paid, "the rent is paid")
    charged = usd_cents(payment["usd"])
    booked = -await stage.ledger("RENT_INCOME", "USD")
    told.same("rent in cents", ledger=booked, receipt=charged, lease=usd_cents(RENT_USD))


async def _convert(stage: Stage, told: Told) -> None:
    """Stripe pays out, the bank wires it on, Circle sends USDC to the treasury."""
    treasury = stage.treasury_address
    before = await stage.usdc_of(treasury)
    payout = await stage.outside.stripe_pays_out()

    async def known() -> bool:
        return await stage.ledger("BANK_IN_TRANSIT", "USD") > 0

    await until(known, "Stripe's payout is booked")
    await stage.outside.bank_wires(usd(payout["amount"]), payout["trace_id"]["value"], stage.circle_api_key)

    async def arrived() -> bool:
        return await stage.ledger("TREASURY_USDC") > 0

    await until(arrived, "the USDC is in the treasury")
    got = await stage.usdc_of(treasury) - before
    told.same(
        "USDC micros in the treasury",
        chain=got,
        ledger=await stage.ledger("TREASURY_USDC"),
        stripe=payout["amount"] * MICROS_A_CENT,
    )


async def _dividend(stage: Stage, told: Told) -> None:
    first, today = stage[ADMINS[0]], datetime.now(UTC).date()
    wallets = {name: stage[name].purse.address for name in (*INVESTORS, MANAGER)}
    before = {name: await stage.usdc_of(address) for name, address in wallets.items()}
    holdings = {name: await stage.tokens_of(address) for name, address in wallets.items()}
    body = {"property_id": str(stage.property_id), "period": f"{today:%Y-%m}"}
    proposed = await first.visitor.post("/dividends", body)
    path = f"/dividends/{proposed['dividend_id']}"
    await stage.approve(await _proposal(stage, proposed["dividend_id"]))

    async def paid() -> dict[str, Any] | None:
        found = await first.visitor.get(path)
        assert found["state"] not in ("FAILED", "CANCELLED"), found
        return found if found["state"] == "PAID" else None

    statement = await until(paid, "the dividend is paid")
    pool, dust = usdc_micros(statement["pool_usdc"]), usdc_micros(statement["dust_usdc"])
    told.figures["dividend"] = {name: statement[name] for name in ("pool_usdc", "dust_usdc", "paid_usdc", "charges")}
    got = {name: await stage.usdc_of(address) - before[name] for name, address in wallets.items()}
    lines = {line["wallet"].lower(): usdc_micros(line["usdc"]) for line in statement["lines"]}
    supply = await stage.on_token("totalSupply")
    for name, address in wallets.items():
        told.same(
            f"dividend micros of {name}",
            chain=got[name],
            database=lines.get(address.lower(), 0),
            share=pool * holdings[name] // supply,
        )
    told.same(
        "dividend micros",
        chain=sum(got.values()) + dust,
        database=sum(lines.values()) + dust,
        ledger=await stage.ledger("DIVIDENDS_PAID") + dust,
        pool=pool,
        charges=sum(usdc_micros(charge["usdc"]) for charge in statement["charges"]),
    )
    told.figures["an investor was told"] = (await stage[INVESTORS[0]].noticed("DIVIDEND_PAID"))["text"]


async def _proposal(stage: Stage, dividend_id: str) -> dict[str, Any]:
    async def find() -> dict[str, Any] | None:
        waiting = await stage["admin2"].visitor.get("/approvals", state="PROPOSED")
        return next((each for each in waiting if each["kind"] == "DIVIDEND" and each["subject"] == dividend_id), None)

    return await until(find, "the dividend waits for its second admin")


async def _refund(stage: Stage, told: Told) -> None:
    """A refund after the dividend: the reserve bears it, and nobody who was paid."""
    charge = await stage.pool.fetchval("SELECT charge_id FROM stripe_charges ORDER BY charge_id LIMIT 1")
    reserve = await stage.ledger("RESERVE", "USD")
    balances = {name: await stage.usdc_of(stage[name].purse.address) for name in INVESTORS}
    await stage.outside.refund(charge, REFUND_CENTS)
    await stage[TENANT].noticed("RENT_REFUNDED")
    told.same("refund in cents", asked=REFUND_CENTS, reserve=await stage.ledger("RESERVE", "USD") - reserve)
    after = {name: await stage.usdc_of(stage[name].purse.address) for name in INVESTORS}
    told.same("what investors have after the refund", before=str(balances), after=str(after))
