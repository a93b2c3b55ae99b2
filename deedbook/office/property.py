"""A property's way: drafted, approved, a token, sold first, and its documents."""

from __future__ import annotations

from functools import partial

from eth_utils.address import to_canonical_address

from api.doors import Decide
from compliance.audit import record
from deedbook.jobs.purchase import SaleJobs
from deedbook.jobs.tokenize import Tokenizer
from deedbook.notices.notify import notify
from deedbook.office.desk import Desk, in_rounds
from deedbook.office.documents import document_routes
from deedbook.office.first_sale import BuyersRules, name_of, owns_wallet, sale_property
from deedbook.office.issuance import COUNTRIES, admins, fee_account, issuer_of
from deedbook.office.resources import Resources
from persistence.jobs import enqueue
from properties import decisions
from properties.desk import Doors
from properties.routes import routes
from settlement import sale_routes
from settlement.purchase import PurchaseDoors, Purchases
from settlement.sale import Sales
from settlement.sale_contract import SaleContract
from settlement.trades import Wallet


def property_desk(r: Resources, decide: Decide) -> Desk:
    doors = Doors(r.pool, r.documents, record, notify, decide, issuer_of, admins, COUNTRIES)
    tokenizer = Tokenizer(
        r.pool,
        r.deployment.platform,
        r.deployment.infrastructure,
        r.submit,
        fee_account(r.submit, r.address_of("fees")),
        r.chain.final_block,
        record,
        notify,
    )
    return Desk(
        routes=[*routes(doors), *document_routes(r.documents)],
        jobs={decisions.TOKENIZE: tokenizer},
        executors=decisions.executors(record, notify, issuer_of, COUNTRIES),
        loops=[partial(in_rounds, "documents are not tidied", r.documents.tidy)],
    )


def sale_desk(r: Resources) -> Desk:
    """The first sale."""
    infrastructure = r.deployment.infrastructure
    sale, usdc = (Wallet(to_canonical_address(each)) for each in (infrastructure.sale, infrastructure.usdc))
    contract = SaleContract(r.chain, sale, usdc)
    rules = BuyersRules(r.pool, contract)
    doors = PurchaseDoors(r.pool, sale_property, owns_wallet, rules.require, record, enqueue)
    sales = Sales(r.pool, contract, sale_property, record, enqueue)
    jobs = SaleJobs(r.pool, r.chain, r.deployment.platform.sender, contract, name_of, notify)
    return Desk(routes=sale_routes.routes(sales, Purchases(doors, contract)), jobs=jobs.handlers())
