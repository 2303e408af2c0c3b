"""docs/shared-server.md says what is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from callmux.admin.probes import probe_routes
from callmux.protocol.sse import REQUEST_STREAMS, request_stream
from callmux.stores import memory_replay
from callmux.transport.http import narrow, streams
from tests.transport.http.asgi import Call, House

TEXT = (Path(__file__).parents[3] / "docs" / "shared-server.md").read_text("utf-8")
ADDRESSES = [
    address for row in re.findall(r"^\| (`/.*?) \|", TEXT, re.MULTILINE) for address in row.split(", ")
]


async def _ready() -> str:
    return "ok"


@pytest.mark.parametrize("address", [address.strip("`") for address in ADDRESSES])
async def test_every_address_in_the_table_is_served(address: str) -> None:
    house = House(routes=probe_routes([], _ready, lambda principal: {}))
    stays_open = address == "/sse"
    call = Call("POST" if address in ("/mcp", "/messages") else "GET", address)
    if stays_open:
        call.leave()
    assert (await house.answers(call)).status != 404


def test_the_table_has_them_all() -> None:
    served = {"/mcp", "/sse", "/messages", *probe_routes([], _ready, lambda principal: {})}
    assert {address.strip("`") for address in ADDRESSES} == served


def test_the_figures_are_those_of_the_code() -> None:
    assert f"comes within {_word(streams.PATIENCE_SECONDS)} seconds" in TEXT
    assert f"{_word(memory_replay.KEPT_SECONDS / 60)} minutes after" in " ".join(TEXT.split())
    assert f"heads to {narrow.MAX_HEADER_BYTES // 1024} KB and {narrow.MAX_HEADERS} headers (431)" in TEXT
    assert f"{narrow.MAX_URL_BYTES // 1024} KB (414), both to {narrow.HEADER_SECONDS:g} seconds (408)" in TEXT
    assert f"`{REQUEST_STREAMS}`" in TEXT
    assert f"`{request_stream(5)}_0`" in TEXT


def _word(number: float) -> str:
    return {2.0: "two", 10.0: "ten"}.get(number, f"{number:g}")
