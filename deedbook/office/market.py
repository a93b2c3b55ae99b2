"""The web's way into the exchange: orders, holdings, API keys."""

from __future__ import annotations

from eth_utils.address import to_canonical_address

from compliance.audit import record
from compliance.passwords import Passwords
from deedbook.office.desk import Desk
from deedbook.office.resources import Resources
from deedbook.trading import api_key_routes, market_routes, marketplace_routes
from deedbook.trading.acknowledged import Acknowledged
from deedbook.trading.funds import Funds
from deedbook.trading.marketplace import Marketplace
from deedbook.trading.seats import Seats


def market_desk(r: Resources, passwords: Passwords) -> Desk:
    infrastructure = r.deployment.infrastructure
    usdc, vault, locker = (
        bytes(to_canonical_address(each)) for each in (infrastructure.usdc, infrastructure.vault, infrastructure.locker)
    )
    seats, acknowledged = Seats(r.pool), Acknowledged(r.pool)
    funds = Funds(r.chain, usdc, vault, locker)
    marketplace = Marketplace(r.pool, r.submit, seats, funds, acknowledged)
    return Desk(
        routes=[
            *marketplace_routes.routes(r.pool, marketplace, seats, funds, acknowledged),
            *market_routes.routes(r.pool, seats),
            *api_key_routes.routes(r.pool, seats, r.keys, passwords, record),
        ]
    )
