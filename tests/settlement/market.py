"""A small market on a chain: one property, verified investors with cash in the vault and tokens in the locker."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_typing import ChecksumAddress
from web3 import AsyncWeb3

from settlement.artifacts import ours
from settlement.infrastructure import Delays, Infrastructure, Platform, deploy_infrastructure
from settlement.steps import FileSteps, Receipt, Sender
from settlement.tokenization import (
    InvestorTerms,
    PropertyTerms,
    TokenSuite,
    deploy_property_token,
    mint,
    register_investor,
    unpause,
)
from tests.settlement.local_chain import file_steps, key, keys, platform_on, rich

GERMANY = 276
CASH_USDC_MICROS = 1_000_000_000_000
TOKENS = 100_000
OAK = PropertyTerms("OAK12", "12 Oak Street", "OAK12")


@dataclass(frozen=True, slots=True)
class Market:
    platform: Platform
    infra: Infrastructure
    suite: TokenSuite
    investors: tuple[LocalAccount, ...]
    steps: FileSteps

    def sender(self, account: LocalAccount) -> Sender:
        return Sender(self.platform.chain, account, self.steps)

    async def send(self, account: LocalAccount, contract: str, function: str, *arguments: Any) -> Receipt:
        """One transaction to the vault, the locker, the bridge or the USDC."""
        return await self.sender(account).send(self.address(contract), ours(contract).call_data(function, arguments))

    def address(self, contract: str) -> ChecksumAddress:
        infra = self.infra
        places = {
            "CashVault": infra.vault,
            "TokenLocker": infra.locker,
            "SettlementBridge": infra.bridge,
            "MockUSDC": infra.usdc,
        }
        return places[contract]


async def open_market(chain: AsyncWeb3[Any], directory: Path, investors: int, terms: PropertyTerms = OAK) -> Market:
    """Deploy everything; each investor has CASH_USDC_MICROS deposited and TOKENS locked."""
    steps = file_steps(directory)
    platform = await platform_on(chain, steps)
    infra = await deploy_infrastructure(platform, keys().roles(), Delays())
    suite = await deploy_property_token(platform, infra, terms)
    await unpause(platform, suite)
    accounts = tuple(key(f"investor {i}") for i in range(investors))
    await rich(chain, *(account.address for account in (*accounts, keys().operator, keys().releaser, keys().issuer)))
    market = Market(platform, infra, suite, accounts, steps)
    for account in accounts:  # in order, so that addresses and gas are the same on every run
        await _join(market, account)
    return market


async def _join(market: Market, account: LocalAccount) -> None:
    platform, infra, suite, wallet = market.platform, market.infra, market.suite, account.address
    await register_investor(platform, infra, InvestorTerms(wallet, GERMANY))
    usdc = ours("MockUSDC")
    await asyncio.gather(
        mint(platform, suite, wallet, TOKENS, wallet),
        platform.sender.send(infra.usdc, usdc.call_data("mint", [wallet, CASH_USDC_MICROS])),
    )
    await market.send(account, "MockUSDC", "approve", infra.vault, CASH_USDC_MICROS)
    await market.send(account, "CashVault", "deposit", CASH_USDC_MICROS)
    await market.send(account, "TokenLocker", "lock", suite.token, TOKENS)
