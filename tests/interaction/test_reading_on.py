"""An agent that reads on after the beginning of a large result, through a whole callmux.

It knows what stood in the answers and no more: the ref, `nextOffset`, `next`. What beginnings are is tested
in `tests/rings/shield/test_excerpt.py`.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from callmux.rings.shield.paths import split

from .bench import Client, bench
from .raw_server import Json, RawServer, text
from .requirements import requirement

READING: Json = {"responseShield": {"preview": "beginning"}}
LOG = "".join(f'line {n}: "quoted" ünïcödé \U0001f600\n' for n in range(2500))
ROWS = [{"id": n, "text": "lorem ipsum " * 20} for n in range(300)]
IMAGE = {"type": "image", "mimeType": "image/png", "data": "A" * 90_000}
OPEN = {"type": "object", "properties": {"rows": {"type": "array", "items": {"type": "object"}}}}
CLOSED = OPEN | {"additionalProperties": False}


def large() -> RawServer:
    """A server whose tools say much."""
    rows = {**text(json.dumps({"rows": ROWS})), "structuredContent": {"rows": ROWS}}
    server = RawServer("s").has(
        log=text(LOG),
        rows=text(json.dumps(ROWS)),
        broken=text(LOG, isError=True),
        shot={"content": [{"type": "text", "text": LOG}, IMAGE]},
        short=text("short"),
        little=text(LOG[:20_000]),
        open=rows,
        closed=rows,
    )
    tools: list[Json] = [{"name": name, "inputSchema": {"type": "object"}} for name in server_tools]
    for tool in tools:
        if tool["name"] in ("open", "closed"):
            tool["outputSchema"] = OPEN if tool["name"] == "open" else CLOSED
    return server.lists("tools", *tools)


server_tools = ("log", "rows", "broken", "shot", "short", "little", "open", "closed")


async def pages(client: Client, ref: str) -> list[Json]:
    """What the ref alone gives, and what each page says to ask for next."""
    found: list[Json] = []
    asked: Json = {"ref": ref}
    for _ in range(100):
        page = (await client.call("callmux_get_result", asked))["structuredContent"]
        found.append(page)
        if page["hasMore"]:
            asked = {**asked, "offset": page["nextOffset"]}
        elif "next" in page:
            asked = {"ref": ref, **page["next"]}
        else:
            return found
    raise AssertionError("the pages have no end")


def note_of(result: Json) -> Json:
    note: Json = json.loads(result["content"][0]["text"])["_callmux"]
    return note


def preview_of(result: Json) -> Any:
    return json.loads(result["content"][0]["text"])["preview"]


@pytest.mark.parametrize("by", ["itself", "callmux_call"])
@requirement("tools.call")
async def test_a_text_and_an_array_are_read_on_to_their_ends(by: str) -> None:
    async with bench(large(), **READING) as at:
        client = await at.greeted()

        async def call(tool: str) -> Json:
            if by == "itself":
                return await client.call(tool)
            return await client.call("callmux_call", {"tool": tool})

        told = await call("log")
        beginning = preview_of(told)
        read = await pages(client, note_of(told)["ref"])
        assert beginning + "".join(page["data"] for page in read) == LOG
        assert beginning.endswith("\n")
        assert len(read) == 2
        told = await call("rows")
        read = await pages(client, note_of(told)["ref"])
        assert preview_of(told) + [row for page in read for row in page["data"]] == ROWS
        assert await call("little") == text(LOG[:20_000])


@requirement("tools.error")
async def test_an_error_keeps_its_words_and_a_picture_comes_whole() -> None:
    async with bench(large(), **READING) as at:
        client = await at.greeted()
        told = await client.call("broken")
        ref = told["_meta"]["callmux/shield"]["ref"]
        words = told["content"][0]["text"].partition("\n[...TRUNCATED")[0]
        assert told["isError"] is True
        assert words + "".join(page["data"] for page in await pages(client, ref)) == LOG
        told = await client.call("shot")
        assert told["content"][1] == IMAGE
        read = await pages(client, note_of(told)["ref"])
        assert preview_of(told) + "".join(page["data"] for page in read) == LOG


@requirement("tools.structured")
async def test_structured_content_keeps_to_its_schema() -> None:
    async with bench(large(), **READING) as at:
        client = await at.greeted()
        told = await client.call("open")
        rows = told["structuredContent"]["rows"]
        read = await pages(client, told["structuredContent"]["_callmux"]["ref"])
        assert rows + [row for page in read for row in page["data"]] == ROWS
        assert (await client.call("closed"))["structuredContent"] == {"rows": ROWS}


CALLS = [{"tool": name} for name in ("short", "log", "rows", "little")]


@requirement("tools.call")
async def test_several_results_are_read_on_one_after_the_other() -> None:
    async with bench(large(), **READING) as at:
        client = await at.greeted()
        told = await client.call("callmux_parallel", {"calls": CALLS})
        note, whole = note_of(told), preview_of(told)
        at_path = {cut["path"] for cut in note["more"]}
        assert at_path == {"results.1.result", "results.2.result"}
        (first, *_) = note["more"]
        path = first["path"]
        asked: Json = {"ref": note["ref"]}
        while True:
            page = (await client.call("callmux_get_result", asked))["structuredContent"]
            keys = split(path)
            place = whole["results"][int(keys[1])]
            assert page["offset"] == len(place["result"])
            place["result"] += page["data"]
            if page["hasMore"]:
                asked = {**asked, "offset": page["nextOffset"]}
            elif "next" in page:
                path = page["next"]["path"]
                asked = {"ref": note["ref"], **page["next"]}
            else:
                break
        said = [entry["result"] for entry in whole["results"]]
        assert said == ["short", LOG, ROWS, LOG[:20_000]]


@requirement("tools.content")
async def test_several_results_shown_plainly_begin_exactly_where_pages_go_on() -> None:
    async with bench(large(), **READING, outputFormat="plain") as at:
        client = await at.greeted()
        calls = [*CALLS, {"tool": "shot"}]
        told = await client.call("callmux_parallel", {"calls": calls})
        texts = [item["text"] for item in told["content"] if item["type"] == "text"]
        note = told["_meta"]["callmux/shield"]
        shown = {cut["path"]: cut["shown"] for cut in note["more"]}
        (way,) = re.findall(r'callmux_get_result (\{"ref":"[^"]+"\})', texts[0])
        assert json.loads(way) == {"ref": note["ref"]}
        begun = next(part for part in texts if part.startswith("line 0"))
        assert LOG.startswith(begun)
        assert len(begun) == shown["results.1.result"]
        rows = next(json.loads(part) for part in texts if part.startswith("[{"))
        assert rows == ROWS[: shown["results.2.result"]]
        assert IMAGE in told["content"]
        page = await client.call("callmux_get_result", {**json.loads(way), "outputFormat": "json"})
        assert LOG.startswith(begun + page["structuredContent"]["data"])


@requirement("tools.call")
async def test_without_the_key_everything_is_as_it_was() -> None:
    async with bench(large()) as at:
        client = await at.greeted()
        told = await client.call("log")
        note = note_of(told)
        assert note["retrieval"]["arguments"] == {"ref": note["ref"], "offset": 0, "limit": 50}
        page = (await client.call("callmux_get_result", {"ref": note["ref"]}))["structuredContent"]
        assert (page["offset"], page["count"]) == (0, 10_000)
