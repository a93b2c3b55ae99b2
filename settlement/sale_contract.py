"""The contract PrimarySale and the two tokens it moves, as the platform and a buyer use them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from eth_abi.abi import decode
from eth_typing import ChecksumAddress
from web3 import Web3

from api.addresses import unhex
from settlement.artifacts import ours
from settlement.calls import Revert, decode_revert, topic
from settlement.chain import Chain, ChainRefused, Log
from settlement.trades import Token, Wallet

SIGNATURE_BYTES: Final = 65
SOLD: Final = topic("Sold(address,address,uint256,uint256,uint256,uint256)")
_TERMS: Final = "(address,uint128,uint128,uint128,uint128,uint64,uint64)"
PURCHASE_FIELDS: Final = (
    ("buyer", "address"),
    ("token", "address"),
    ("qty", "uint256"),
    ("usdcMax", "uint256"),
    ("nonce", "uint256"),
    ("deadline", "uint256"),
)
PERMIT_FIELDS: Final = (
    ("owner", "address"),
    ("spender", "address"),
    ("value", "uint256"),
    ("nonce", "uint256"),
    ("deadline", "uint256"),
)
_DOMAIN_FIELDS: Final = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)


@dataclass(frozen=True, slots=True)
class SaleTerms:
    """The contract's: prices in USDC micros of one lot, quantities in base units, times in seconds since 1970."""

    issuer: Wallet
    price_usdc_micros: int
    lot_base_units: int
    qty_max_base_units: int
    per_buyer_max_base_units: int
    opens_at_s: int
    closes_at_s: int


@dataclass(frozen=True, slots=True)
class Standing:
    """What the contract says of a token's present or last sale; `number` is 0 before the first."""

    terms: SaleTerms
    sold_base_units: int
    number: int
    is_open: bool


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a buyer signs."""

    buyer: Wallet
    token: Token
    qty_base_units: int
    usdc_micros_max: int
    nonce: int
    deadline_s: int

    def values(self) -> tuple[Any, ...]:
        """In the order of PURCHASE_FIELDS."""
        return (
            checksum(self.buyer),
            checksum(self.token),
            self.qty_base_units,
            self.usdc_micros_max,
            self.nonce,
            self.deadline_s,
        )


@dataclass(frozen=True, slots=True)
class Call:
    """A transaction for somebody else to sign, without value."""

    to: bytes
    data: bytes

    def to_json(self) -> dict[str, str]:
        return {"to": checksum(self.to), "data": f"0x{self.data.hex()}", "value": "0x0"}


class SaleContract:
    """Reads, and call data. Raises ChainUnavailable, ChainRefused."""

    def __init__(self, chain: Chain, address: Wallet, usdc: Wallet) -> None:
        self.address = address
        self._chain = chain
        self._usdc = usdc
        self._artifact = ours("PrimarySale")

    # ---- what stands

    async def standing(self, token: Token) -> Standing:
        (found,) = await self._view(
            self.address, "PrimarySale", "saleOf", [checksum(token)], f"({_TERMS},uint128,uint64,bool)"
        )
        terms, sold, number, is_open = found
        return Standing(SaleTerms(_raw(terms[0]), *terms[1:]), sold, number, is_open)

    async def bought(self, token: Token, buyer: Wallet) -> int:
        """Base units that the wallet bought in the token's present sale."""
        return await self._number(self.address, "PrimarySale", "boughtBy", [checksum(token), checksum(buyer)])

    async def cash(self, wallet: Wallet) -> tuple[int, int]:
        """USDC micros that a wallet has, and of these what it lets the contract take."""
        balance = await self._number(self._usdc, "MockUSDC", "balanceOf", [checksum(wallet)])
        pair = [checksum(wallet), checksum(self.address)]
        return balance, await self._number(self._usdc, "MockUSDC", "allowance", pair)

    async def unsold(self, token: Token, issuer: Wallet) -> tuple[int, int]:
        """Base units that the issuer could move, and of these what it lets the contract take."""
        has = await self.balance(token, issuer)
        frozen = await self._number(token, "IPropertyToken", "getFrozenTokens", [checksum(issuer)])
        pair = [checksum(issuer), checksum(self.address)]
        return has - frozen, await self._number(token, "MockUSDC", "allowance", pair)  # ERC-20's, as USDC's

    async def balance(self, token: Token, wallet: Wallet) -> int:
        return await self._number(token, "IPropertyToken", "balanceOf", [checksum(wallet)])

    async def is_verified(self, token: Token, wallet: Wallet) -> bool:
        (registry,) = await self._view(token, "IPropertyToken", "identityRegistry", [], "address")
        (verified,) = await self._view(_raw(registry), "IIdentityRegistry", "isVerified", [checksum(wallet)], "bool")
        return bool(verified)

    async def may_move(self, token: Token, issuer: Wallet, buyer: Wallet, qty_base_units: int) -> bool:
        """Whether the token's compliance (country, caps, lock-up) lets the buyer have so much of the issuer's."""
        (compliance,) = await self._view(token, "IPropertyToken", "compliance", [], "address")
        arguments = [checksum(issuer), checksum(buyer), qty_base_units]
        (allowed,) = await self._view(_raw(compliance), "ITokenCompliance", "canTransfer", arguments, "bool")
        return bool(allowed)

    async def refusal(self, data: bytes) -> Revert | None:
        """Why a `buy` would revert now; None if it would not."""
        try:
            await self._chain.call(self.address, data)
        except ChainRefused as refused:
            return decode_revert(refused.data) if refused.data else Revert(refused.message)
        return None

    async def sold(self, purchase: Purchase, first_block: int, last_block: int | None = None) -> Log | None:
        """The event of a purchase that was made, by whoever brought it."""
        topics = [SOLD, purchase.token.rjust(32, b"\0"), purchase.buyer.rjust(32, b"\0"), purchase.nonce.to_bytes(32)]
        found = await self._chain.find_logs(self.address, topics, first_block, last_block)
        assert len(found) <= 1, "the contract takes a nonce once"
        return found[0] if found else None

    # ---- what is asked of it

    def open_data(self, token: Token, terms: SaleTerms) -> bytes:
        values = (
            checksum(terms.issuer),
            terms.price_usdc_micros,
            terms.lot_base_units,
            terms.qty_max_base_units,
            terms.per_buyer_max_base_units,
            terms.opens_at_s,
            terms.closes_at_s,
        )
        return self._artifact.call_data("open", [checksum(token), values])

    def close_data(self, token: Token) -> bytes:
        return self._artifact.call_data("close", [checksum(token)])

    def buy_data(self, purchase: Purchase, signature: bytes, permit: bytes | None) -> bytes:
        if permit is None:
            return self._artifact.call_data("buy", [purchase.values(), signature])
        assert len(permit) == SIGNATURE_BYTES
        arguments = [purchase.values(), signature, permit[64], permit[:32], permit[32:64]]
        return self._artifact.call_data("buyWithPermit", arguments)

    def approve_usdc(self, usdc_micros: int) -> Call:
        return Call(self._usdc, ours("MockUSDC").call_data("approve", [checksum(self.address), usdc_micros]))

    def approve_tokens(self, token: Token, qty_base_units: int) -> Call:
        return Call(token, ours("MockUSDC").call_data("approve", [checksum(self.address), qty_base_units]))

    async def purchase_to_sign(self, purchase: Purchase) -> dict[str, Any]:
        """For eth_signTypedData_v4."""
        domain = {"name": "Deedbook Primary Sale", "version": "1"} | await self._domain(self.address)
        names = [name for name, _ in PURCHASE_FIELDS]
        return _typed_data("Purchase", PURCHASE_FIELDS, domain, dict(zip(names, purchase.values(), strict=True)))

    async def permit_to_sign(self, purchase: Purchase) -> dict[str, Any]:
        """An EIP-2612 permit that goes with the purchase, in place of an approval."""
        (name,) = await self._view(self._usdc, "MockUSDC", "name", [], "string")
        (version,) = await self._view(self._usdc, "MockUSDC", "version", [], "string")
        nonce = await self._number(self._usdc, "MockUSDC", "nonces", [checksum(purchase.buyer)])
        message = {
            "owner": checksum(purchase.buyer),
            "spender": checksum(self.address),
            "value": purchase.usdc_micros_max,
            "nonce": nonce,
            "deadline": purchase.deadline_s,
        }
        domain = {"name": name, "version": version} | await self._domain(self._usdc)
        return _typed_data("Permit", PERMIT_FIELDS, domain, message)

    async def _domain(self, contract: bytes) -> dict[str, Any]:
        return {"chainId": await self._chain.chain_id(), "verifyingContract": checksum(contract)}

    async def _number(self, to: bytes, contract: str, function: str, arguments: Sequence[Any]) -> int:
        (number,) = await self._view(to, contract, function, arguments, "uint256")
        return int(number)

    async def _view(
        self, to: bytes, contract: str, function: str, arguments: Sequence[Any], answer: str
    ) -> tuple[Any, ...]:
        return decode([answer], await self._chain.call(to, ours(contract).call_data(function, arguments)))


def _typed_data(
    name: str, fields: Sequence[tuple[str, str]], domain: Mapping[str, Any], message: Mapping[str, Any]
) -> dict[str, Any]:
    """Numbers as decimal strings, which every signer takes and JSON carries exactly; the chain's id as a number."""
    types = {"EIP712Domain": _DOMAIN_FIELDS, name: fields}
    return {
        "types": {each: [{"name": field, "type": kind} for field, kind in of] for each, of in types.items()},
        "primaryType": name,
        "domain": dict(domain),
        "message": {field: str(value) if isinstance(value, int) else value for field, value in message.items()},
    }


def checksum(address: bytes) -> ChecksumAddress:
    return Web3.to_checksum_address(f"0x{address.hex()}")


def _raw(address: str) -> Wallet:
    return Wallet(unhex(address))
