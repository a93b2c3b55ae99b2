"""The command line's functions: words in, one sentence out, and mistakes that say what is wrong."""

import pytest

from compliance import commands
from compliance.registry import FactError, set_identity_registered
from persistence.database import Pool
from tests.fixtures.answers import Door
from tests.fixtures.market import START_NS, Market
from tests.fixtures.registered import ACTOR, address_of, open_market

EMAIL = "ann@example.com"
ADDRESS = f"0x{address_of('ann').hex()}"


async def test_a_person_is_brought_to_trade_word_by_word(pool: Pool) -> None:
    await open_market(pool, Door(Market()))
    assert (await commands.add_user(pool, EMAIL, actor=ACTOR)).startswith(f"{EMAIL} is user ")
    assert await commands.add_wallet(pool, EMAIL, ADDRESS, actor=ACTOR) == f"{ADDRESS} is linked to {EMAIL}"
    assert await commands.kyc(pool, EMAIL, "approved", "2026-01-01", actor=ACTOR) == (
        f"KYC of {EMAIL} is APPROVED until 2026-01-01"
    )
    await commands.country(pool, EMAIL, "us", actor=ACTOR)
    shown = await commands.show_permission(pool, ADDRESS, "OAK1USDC", START_NS)
    assert shown.splitlines()[0] == f"{ADDRESS} may not trade in OAK1USDC"
    await set_identity_registered(pool, address_of("ann"), is_registered=True, block=1, actor=ACTOR)
    shown = await commands.show_permission(pool, ADDRESS, "OAK1USDC", START_NS)
    assert shown.splitlines() == [
        f"{ADDRESS} may sell until 2026-01-01 in OAK1USDC",
        "Only accredited investors may buy this property: have your accreditation verified.",
    ]
    await commands.accreditation(pool, EMAIL, "verified", "2025-12-01", actor=ACTOR)
    shown = await commands.show_permission(pool, ADDRESS, "OAK1USDC", START_NS)
    assert shown == f"{ADDRESS} may buy and sell until 2025-12-01 in OAK1USDC"


async def test_mistakes_say_what_is_wrong(pool: Pool) -> None:
    await commands.add_user(pool, EMAIL, actor=ACTOR)
    with pytest.raises(FactError, match=r"nobody is registered with bob@example\.com"):
        await commands.kyc(pool, "bob@example.com", "pending", actor=ACTOR)
    with pytest.raises(FactError, match="'fine' is none of none, pending, approved, rejected"):
        await commands.kyc(pool, EMAIL, "fine", actor=ACTOR)
    with pytest.raises(FactError, match="'tomorrow' is not a day: YYYY-MM-DD"):
        await commands.kyc(pool, EMAIL, "approved", "tomorrow", actor=ACTOR)
    with pytest.raises(FactError, match="there is no instrument OAK1USDC"):
        await commands.show_permission(pool, ADDRESS, "OAK1USDC", START_NS)


@pytest.mark.parametrize("text", ["", "0x", "12", ADDRESS[:-2], ADDRESS + "00", ADDRESS[:-1] + "g", ADDRESS[2:] + "ab"])
async def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(FactError, match="is not a wallet's address"):
        commands.parsed_address(text)
