"""Something of people's own, made over HTTP, for tests to begin with."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from api.actor import Role
from tests.deedbook.office.opened import Caller, Front

PDF: Final = b"%PDF-1.7\n% a deed\n%%EOF\n"
TODAY: Final = datetime.now(UTC).date()


@dataclass
class House:
    """A property that is a draft, let to a tenant, with a deed and a bill; `link` opens the deed."""

    manager: Caller
    tenant: Caller
    property_id: str
    lease_id: str
    link: str


async def a_house(front: Front, tenant: Caller | None = None) -> House:
    manager = await front.person(Role.PROPERTY_MANAGER, has_second_factor=True)
    tenant = tenant or await front.person(Role.INVESTOR, Role.TENANT)
    terms = {
        "name": "5 Elm Lane",
        "symbol": "E" + secrets.token_hex(4).upper(),
        "address": "5 Elm Lane, Exampleton",
        "valuation_usdc": "10000",
        "supply_tokens": "1000",
    }
    drafted = await front.good(manager, "POST", "/properties", {"terms": terms})
    one = f"/properties/{drafted['property_id']}"
    deed = await front.good(manager, "POST", f"{one}/documents?name=deed.pdf", None, data=PDF)
    lease = {"unit": "1", "tenant_email": tenant.email, "rent_usd": "900.00", "due_day": 1, "starts_on": str(TODAY)}
    made = await front.good(manager, "POST", f"{one}/leases", lease)
    await front.good(tenant, "POST", "/rent/links", {"lease_id": made["lease_id"], "period": f"{TODAY:%Y-%m}"})
    await front.good(manager, "POST", f"{one}/expenses", {"usd": "12.50", "what": "gutters"})
    return House(manager, tenant, drafted["property_id"], made["lease_id"], deed["link"])
