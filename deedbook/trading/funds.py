"""What a trader signs to bring cash and tokens in and out of the exchange, and what their wallet holds outside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from eth_abi.abi import encode
from eth_utils.address import to_checksum_address

from api.amounts import text, usdc
from settlement.calls import balance_of_data, selector, words
from settlement.chain import Chain
from settlement.trades import Wallet

_ALLOWANCE: Final = selector("allowance(address,address)")
_FROZEN: Final = selector("getFrozenTokens(address)")
_APPROVE: Final = selector("approve(address,uint256)")
_DEPOSIT: Final = selector("deposit(uint256)")
_REQUEST_WITHDRAW: Final = selector("requestWithdraw(uint256)")
_LOCK: Final = selector("lock(address,uint256)")
_REQUEST_UNLOCK: Final = selector("requestUnlock(address,uint256)")


@dataclass(frozen=True, slots=True)
class ToSign:
    """A transaction without value for the wallet's owner to sign, and what it does in a sentence."""

    to: bytes
    data: bytes
    what: str

    def to_json(self) -> dict[str, str]:
        to = to_checksum_address(self.to)
        return {"to": to, "data": f"0x{self.data.hex()}", "value": "0x0", "what": self.what}


@dataclass(frozen=True, slots=True)
class TokenOf:
    """A property token as people count it; one lot is `lot_base_units`."""

    address: bytes
    symbol: str
    decimals: int
    lot_base_units: int

    def text(self, base_units: int) -> str:
        return text(base_units, self.decimals)


class Funds:
    """Reads raise ChainUnavailable and ChainRefused; call data needs no chain."""

    def __init__(self, chain: Chain, usdc_token: bytes, vault: bytes, locker: bytes) -> None:
        self._chain = chain
        self._usdc = usdc_token
        self._vault = vault
        self._locker = locker

    async def usdc_outside(self, wallet: bytes) -> int:
        """USDC micros in the wallet itself."""
        return await self._number(self._usdc, balance_of_data(Wallet(wallet)))

    async def usdc_allowed(self, wallet: bytes) -> int:
        """USDC micros that the vault may take from the wallet."""
        return await self._number(self._usdc, _ALLOWANCE + encode(["address", "address"], [wallet, self._vault]))

    async def tokens_outside(self, wallet: bytes, token: bytes) -> int:
        """Base units in the wallet that nobody has frozen: what could be locked for the exchange."""
        balance = await self._number(token, balance_of_data(Wallet(wallet)))
        return balance - await self._number(token, _FROZEN + encode(["address"], [wallet]))

    def deposit(self, usdc_micros: int, allowed_micros: int = 0) -> list[ToSign]:
        """Approve, unless so much is allowed already, and deposit."""
        approve = _APPROVE + encode(["address", "uint256"], [self._vault, usdc_micros])
        steps = [ToSign(self._usdc, approve, f"Let the exchange's vault take {usdc(usdc_micros)} USDC.")]
        deposit = _DEPOSIT + encode(["uint256"], [usdc_micros])
        return [
            *(steps if allowed_micros < usdc_micros else []),
            ToSign(self._vault, deposit, f"Deposit {usdc(usdc_micros)} USDC."),
        ]

    def request_withdraw(self, usdc_micros: int) -> list[ToSign]:
        data = _REQUEST_WITHDRAW + encode(["uint256"], [usdc_micros])
        return [ToSign(self._vault, data, f"Ask for {usdc(usdc_micros)} USDC back.")]

    def lock(self, token: TokenOf, base_units: int) -> list[ToSign]:
        data = _LOCK + encode(["address", "uint256"], [token.address, base_units])
        return [ToSign(self._locker, data, f"Lock {token.text(base_units)} {token.symbol} tokens for the exchange.")]

    def request_unlock(self, token: TokenOf, base_units: int) -> list[ToSign]:
        data = _REQUEST_UNLOCK + encode(["address", "uint256"], [token.address, base_units])
        return [ToSign(self._locker, data, f"Ask for {token.text(base_units)} {token.symbol} tokens back.")]

    async def _number(self, to: bytes, data: bytes) -> int:
        return words(await self._chain.call(to, data))[0]
