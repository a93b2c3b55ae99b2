"""Steps in Postgres: several senders of one key, each step once, whoever is killed."""

import asyncio

from web3 import AsyncWeb3

from persistence.database import Pool, connect, migrate
from settlement.steps import PostgresSteps, Sender
from tests.settlement.local_chain import anvil, key, rich


async def test_two_processes_send_with_one_key(empty_database: str) -> None:
    async with anvil() as chain:
        account = key("deployer")
        await rich(chain, account.address)
        pools = [await connect(empty_database, connections_max=2) for _ in range(2)]
        await migrate(pools[0])
        senders = [Sender(chain, account, PostgresSteps(pool)) for pool in pools]
        names = [f"step {n}" for n in range(20)]
        to = AsyncWeb3.to_checksum_address("0x" + "11" * 20)
        receipts = await asyncio.gather(*(senders[n % 2].once(name, to, b"\x01") for n, name in enumerate(names)))
        assert len({receipt.transaction_hash for receipt in receipts}) == len(names)
        assert await chain.eth.get_transaction_count(account.address) == len(names)
        again = await asyncio.gather(*(senders[1 - n % 2].once(name, to, b"\x01") for n, name in enumerate(names)))
        assert again == receipts
        assert await chain.eth.get_transaction_count(account.address) == len(names)
        for pool in pools:
            await pool.close()


async def test_a_turn_ends_with_its_holder(pool: Pool) -> None:
    steps = PostgresSteps(pool)
    address = key("deployer").address
    try:
        async with steps.turn(address) as turn:
            await turn.put("kept", b"\x02")
            raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    async with asyncio.timeout(5), steps.turn(address):
        assert await steps.get("kept") == b"\x02"
        assert await steps.get("unknown") is None
