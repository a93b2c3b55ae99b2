"""A wallet is linked by a signature of the very text that its person was given, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_account.signers.local import LocalAccount

from persistence.database import Pool
from tests.compliance.house import CHAIN_ID, Answer, House, open_house

KEY = Account.from_key(b"\x01" * 32)
OTHER_KEY = Account.from_key(b"\x02" * 32)


@pytest.fixture
async def house(pool: Pool) -> AsyncIterator[House]:
    async with open_house(pool) as opened:
        yield opened


async def challenge(house: House, token: str, address: str) -> str:
    answer = await house.post("/wallets/challenge", {"address": address}, token=token)
    assert answer.status == 200, answer
    message: str = answer.json["message"]
    return message


def signed(message: str, key: LocalAccount) -> dict[str, Any]:
    return {"message": message, "signature": "0x" + key.sign_message(encode_defunct(text=message)).signature.hex()}


async def link(house: House, token: str, key: LocalAccount) -> Answer:
    return await house.post("/wallets", signed(await challenge(house, token, key.address), key), token=token)


async def test_the_text_is_laid_out_as_eip_4361_says(house: House) -> None:
    ann = await house.register("ann")
    message = await challenge(house, await house.sign_in("ann"), KEY.address.lower())
    lines = message.split("\n")
    nonce = lines[8].removeprefix("Nonce: ")
    assert len(nonce) >= 8
    assert nonce.isalnum()
    assert lines == [
        "deedbook.example wants you to sign in with your Ethereum account:",
        KEY.address,
        "",
        "Link this wallet to my Deedbook account. This moves nothing and costs nothing.",
        "",
        "URI: https://deedbook.example",
        "Version: 1",
        f"Chain ID: {CHAIN_ID}",
        f"Nonce: {nonce}",
        "Issued At: 2030-01-01T00:00:00Z",
        "Expiration Time: 2030-01-01T00:10:00Z",
        f"Request ID: {ann}",
    ]


async def test_a_signed_challenge_links_the_wallet_once(house: House) -> None:
    ann = await house.register("ann")
    token = await house.sign_in("ann")
    body = signed(await challenge(house, token, KEY.address), KEY)
    answers = await asyncio.gather(*(house.post("/wallets", body, token=token) for _ in range(4)))
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]
    (linked,) = (await house.get("/wallets", token=token)).json
    assert (linked["address"], linked["account"]) == (KEY.address, None)
    assert await house.pool.fetchval("SELECT user_id FROM wallets") == ann
    assert (await link(house, token, KEY)).status == 200  # again is nothing
    assert (await link(house, token, OTHER_KEY)).status == 200
    assert len((await house.get("/wallets", token=token)).json) == 2


async def test_two_people_never_share_or_see_a_wallet(house: House) -> None:
    await house.register("ann")
    await house.register("bob")
    ann, bob = await house.sign_in("ann"), await house.sign_in("bob")
    message = await challenge(house, ann, KEY.address)
    assert (await house.post("/wallets", signed(message, KEY), token=bob)).reason == "CHALLENGE_MISSING"
    assert (await house.post("/wallets", signed(message, KEY), token=ann)).status == 200
    assert (await link(house, bob, KEY)).reason == "WALLET_TAKEN"
    assert (await house.get("/wallets", token=bob)).json == []


CHANGES = (
    ("deedbook.example wants", "deedbook.evil wants"),
    (f"Chain ID: {CHAIN_ID}", "Chain ID: 1"),
    ("Nonce: ", "Nonce: 0"),
    ("2030-01-01T00:10:00Z", "2031-01-01T00:10:00Z"),
    (KEY.address, OTHER_KEY.address),
    (KEY.address, KEY.address.lower()),
    ("Version: 1", "Version: 1\n"),
    ("Request ID: 0", "Request ID: 1"),
)


@pytest.mark.parametrize(("old", "new"), CHANGES)
async def test_another_text_is_refused_though_it_is_signed(house: House, old: str, new: str) -> None:
    await house.register("ann")
    token = await house.sign_in("ann")
    message = await challenge(house, token, KEY.address)
    changed = message.replace(old, new)
    assert changed != message
    assert (await house.post("/wallets", signed(changed, KEY), token=token)).reason == "MESSAGE_CHANGED"
    used_up = await house.post("/wallets", signed(message, KEY), token=token)
    assert used_up.reason == "CHALLENGE_MISSING"
    assert (await house.get("/wallets", token=token)).json == []


@pytest.mark.parametrize(
    "signature",
    [
        "0x" + "00" * 65,
        "0x" + "ff" * 65,
        "0x" + OTHER_KEY.sign_message(encode_defunct(text="")).signature.hex(),
        "0x" + KEY.sign_message(encode_defunct(text="")).signature.hex(),
    ],
)
async def test_another_signature_is_refused(house: House, signature: str) -> None:
    await house.register("ann")
    token = await house.sign_in("ann")
    body = {"message": await challenge(house, token, KEY.address), "signature": signature}
    assert (await house.post("/wallets", body, token=token)).reason == "SIGNATURE_WRONG"


async def test_a_challenge_is_the_latest_and_expires(house: House) -> None:
    await house.register("ann")
    token = await house.sign_in("ann")
    earlier, later = [await challenge(house, token, KEY.address) for _ in range(2)]
    assert (await house.post("/wallets", signed(earlier, KEY), token=token)).reason == "MESSAGE_CHANGED"
    later = await challenge(house, token, KEY.address)
    await house.pass_time(minutes=10)
    assert (await house.post("/wallets", signed(later, KEY), token=token)).reason == "CHALLENGE_MISSING"


@pytest.mark.parametrize(
    "body",
    [
        {"address": "0x" + "0" * 40},
        {"address": KEY.address[:-1]},
        {"address": KEY.address + "\n"},
        {"address": KEY.address[2:]},
        {"address": KEY.address, "user_id": "0"},
        {},
    ],
)
async def test_what_is_no_address_gets_no_challenge(house: House, body: dict[str, Any]) -> None:
    await house.register("ann")
    assert (await house.post("/wallets/challenge", body, token=await house.sign_in("ann"))).status == 400
