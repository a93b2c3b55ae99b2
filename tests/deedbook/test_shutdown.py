"""An exchange that is told to stop answers everything that it took."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import aiohttp

from deedbook.embedded.child import free_port
from deedbook.layout import Layout
from deedbook.process import Process
from deedbook.settings import Settings
from engine.types import Place
from engine.wire import decode_commands, encode_command
from gateway.keys import KeyStore
from persistence.feed import FeedClient
from persistence.journal_reader import JournalReader
from tests.gateway.venue import ALICE, SYMBOL, market_commands, sign

ORDERS = 300


async def test_what_was_taken_is_answered_before_the_sockets_close(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "data")
    settings = Settings(data_dir=layout.root, websocket_port=free_port(), rest_port=free_port())
    process = Process(
        "exchange",
        [sys.executable, "-m", "deedbook.exchange"],
        environment=lambda: dict(os.environ) | settings.to_environment(),
        log_directory=tmp_path / "logs",
    )
    await process.start()
    try:
        feed = FeedClient(layout.feed_socket)
        await feed.submit([encode_command(command) for command in market_commands()])
        await feed.close()
        key = KeyStore(layout.api_keys).create_hmac(ALICE)
        url = f"ws://127.0.0.1:{settings.websocket_port}/ws-api/v3"
        async with aiohttp.ClientSession() as http, http.ws_connect(url) as socket:
            for number in range(ORDERS):
                order = {"symbol": SYMBOL, "side": "SELL", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1"}
                params = sign(key, order | {"price": str(100 + number), "newClientOrderId": f"order-{number}"})
                await socket.send_json({"id": number, "method": "order.place", "params": params})
            first = await socket.receive(timeout=20)
            stopping = asyncio.create_task(process.stop())
            answered = [first.data, *[message.data async for message in socket]]
            await stopping
    finally:
        await process.stop()
    messages = [json.loads(text) for text in answered]
    accepted = {message["id"] for message in messages if message.get("status") == 200}
    with JournalReader(layout.journal) as reader:
        placed = {
            int(command.client_order_id.removeprefix(b"order-"))
            for frame in reader.read()
            for _, _, command in decode_commands(frame.commands)
            if isinstance(command, Place)
        }
    assert accepted == placed
    assert placed
