"""A person's own wallet: signs texts and typed data, and sends what the platform asks to be signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from eth_account.signers.local import LocalAccount
from web3 import AsyncWeb3, Web3

RECEIPT_WITHIN_S = 60.0


class Purse:
    """One key on one chain; nobody else sends with it."""

    def __init__(self, chain: AsyncWeb3[Any], key: LocalAccount | None = None) -> None:
        self._chain = chain
        self._key: LocalAccount = key or Account.create()

    @property
    def address(self) -> str:
        return str(self._key.address)

    def sign_text(self, text: str) -> str:
        return "0x" + bytes(self._key.sign_message(encode_defunct(text=text)).signature).hex()

    def sign_typed(self, typed_data: Mapping[str, Any]) -> str:
        """EIP-712, as `eth_signTypedData_v4` takes it."""
        signed = self._key.sign_message(encode_typed_data(full_message=dict(typed_data)))
        return "0x" + bytes(signed.signature).hex()

    async def send(self, transaction: Mapping[str, Any]) -> Mapping[str, Any]:
        """Sign and send a `transaction` of the platform's ({to, data, value}); returns its receipt, which is good."""
        call: dict[str, Any] = {
            "from": self._key.address,
            "to": Web3.to_checksum_address(transaction["to"]),
            "data": transaction["data"],
            "value": int(transaction.get("value", "0") or "0", 0) if isinstance(transaction.get("value"), str) else 0,
        }
        block = await self._chain.eth.get_block("latest")
        call |= {
            "nonce": await self._chain.eth.get_transaction_count(self._key.address, "pending"),
            "gas": await self._chain.eth.estimate_gas(call) * 5 // 4,  # type: ignore[arg-type]  # TxParams by content
            "maxPriorityFeePerGas": 10**9,
            "maxFeePerGas": 2 * block["baseFeePerGas"] + 10**9,
            "chainId": await self._chain.eth.chain_id,
            "type": 2,
        }
        sent = await self._chain.eth.send_raw_transaction(self._key.sign_transaction(call).raw_transaction)
        receipt = await self._chain.eth.wait_for_transaction_receipt(sent, RECEIPT_WITHIN_S, 0.1)
        assert receipt["status"] == 1, f"{sent.to_0x_hex()} reverted"
        return receipt
