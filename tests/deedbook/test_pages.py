"""The pages: what is served and how, and what is not; and the browser's own modules under Node."""

from __future__ import annotations

import asyncio
import gzip
import re
import shutil
import subprocess
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web

from compliance.roles import ROUTE_ROLES
from deedbook.pages import WEB_DIRECTORY, PagesConfig, pages

ROOT = WEB_DIRECTORY.parent
SANDBOXES = {"wallet": "http://127.0.0.1:7001", "mail": "http://127.0.0.1:7002"}
CONFIG = PagesConfig(websocket_port=8081, rest_port=8082, sandboxes=SANDBOXES)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    runner = web.AppRunner(pages(CONFIG), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


FILES = sorted(path for path in WEB_DIRECTORY.rglob("*") if path.is_file() and path.name != "page.html")
OURS = [path for path in [*FILES, WEB_DIRECTORY / "page.html"] if path.parent.name != "lib"]


async def test_every_file_has_its_type_and_the_headers(url: str) -> None:
    types = {".html": "text/html", ".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css"}
    types |= {".svg": "image/svg+xml"}
    paths = {f"/{path.relative_to(WEB_DIRECTORY).as_posix()}": types[path.suffix] for path in FILES}
    pages_of = {path.removesuffix(".page.js"): "text/html" for path in paths if path.endswith(".page.js")}
    pages_of["/"] = pages_of.pop("/index", "text/html")
    assert {"/", "/404", "/market"} <= pages_of.keys()
    async with aiohttp.ClientSession() as http:
        for path, content_type in (paths | pages_of | {"/config.json": "application/json"}).items():
            async with http.get(url + path) as response:
                assert (response.status, response.content_type) == (200, content_type), path
                assert response.charset == "utf-8"
                policy = response.headers["Content-Security-Policy"]
                assert "default-src 'self'; connect-src 'self' ws://127.0.0.1:8081 http://127.0.0.1:8082 " in policy
                assert "http://127.0.0.1:7001;" in policy  # the wallet's sandbox; the others are only linked to
                assert "127.0.0.1:7002" not in policy
                assert "frame-ancestors 'none'" in policy
                assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_page_is_the_one_document_with_its_module(url: str) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/market") as response:
        assert '<script type="module" src="/market.page.js"></script>' in await response.text()


async def test_what_is_packed_is_the_same(url: str) -> None:
    async with aiohttp.ClientSession(auto_decompress=False) as http:
        async with http.get(f"{url}/style.css", headers={"Accept-Encoding": "gzip"}) as response:
            assert response.headers["Content-Encoding"] == "gzip"
            assert gzip.decompress(await response.read()) == (WEB_DIRECTORY / "style.css").read_bytes()
        async with http.get(f"{url}/style.css", headers={"Accept-Encoding": "identity"}) as response:
            assert "Content-Encoding" not in response.headers


def test_no_page_stands_where_a_route_is() -> None:
    routes = {path for method, path in ROUTE_ROLES if method == "GET"}
    assert not {f"/{path.relative_to(WEB_DIRECTORY).as_posix().removesuffix('.page.js')}" for path in FILES} & routes


async def test_a_page_that_the_browser_has_is_not_sent_again(url: str) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{url}/api.js") as first:
            etag = first.headers["ETag"]
        async with http.get(f"{url}/api.js", headers={"If-None-Match": etag}) as second:
            assert (second.status, await second.read()) == (304, b"")


async def test_the_config_holds_addresses_and_nothing_else(url: str) -> None:
    async with aiohttp.ClientSession() as http, http.get(f"{url}/config.json") as response:
        assert await response.json() == {"websocketPort": 8081, "restPort": 8082, "sandboxes": SANDBOXES}


async def test_what_is_not_there_is_a_404_page_and_only_get_is_taken(url: str) -> None:
    async with aiohttp.ClientSession() as http:
        async with http.get(f"{url}/nothing<script>") as response:
            assert (response.status, response.content_type) == (404, "text/html")
            assert "/404.page.js" in await response.text()
            assert "Content-Security-Policy" in response.headers
        async with http.post(f"{url}/config.json", data=b"x") as response:
            assert response.status == 405
            assert "Content-Security-Policy" in response.headers


@pytest.mark.parametrize(
    "path", ["/../pyproject.toml", "/..%2fpyproject.toml", "/%2e%2e/pyproject.toml", "//etc/passwd", "/web/api.js"]
)
async def test_no_path_leads_out(path: str, url: str) -> None:
    """Sent by hand, as a client library would tidy the path."""
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"build-system" not in answer


def test_the_pages_load_nothing_from_elsewhere_and_run_nothing_inline() -> None:
    for path in OURS:
        text = path.read_text()
        links = set(re.findall(r"https?://[\w.-]+", text))
        assert links <= {"http://www.w3.org", "https://www.tradingview.com"}, path.name  # a link to who made the charts
        if path.suffix == ".html":
            assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|<style", text), path.name


def test_the_book_follows_the_rules() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    tests = sorted((ROOT / "tests/web").glob("*.test.mjs"))
    assert tests
    ran = subprocess.run([node, "--test", *map(str, tests)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
