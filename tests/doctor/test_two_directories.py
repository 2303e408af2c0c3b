"""Whether what a server lists or answers changes with its directory."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from callmux.clients.dependence import Compared
from callmux.config.load import load_config
from callmux.config.servers import StdioServer
from callmux.doctor.two_directories import compare, difference, speaks_of, trial_of
from callmux.protocol.shapes import Tool
from callmux.upstream.directory_probe import SeenThere
from callmux.upstream.inventory.offer import RESOURCES, Item, Offer
from callmux.upstream.probe import Seen
from tests.support import SECONDS, real_loop

SERVER = """
import json, os, sys
what = sys.argv[1]
here = os.path.basename(os.getcwd())
READS = {"readOnlyHint": True}
LISTS = {
    "name": [{"name": "t" + str(len(here)), "description": here}],
    "same": [{"name": "now", "description": "the time", "annotations": READS}],
    "word": [{"name": "show", "inputSchema": {"type": "object", "properties": {"filePath": {}}}}],
    "answer": [{"name": "show", "annotations": READS}],
    "odd": [{"name": "show", "annotations": READS}],
    "writes": [{"name": "show"}],
    "roots": [{"name": "show"}],
}
def result(method):
    if method == "initialize":
        return {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}}
    if method == "tools/list":
        return {"tools": [{"inputSchema": {"type": "object"}, **tool} for tool in LISTS[what]]}
    text = {"answer": here, "odd": str(os.getpid())}.get(what, "x")
    return {"content": [{"type": "text", "text": text}]}
if what == "writes":
    open("kept.db", "w").close()
for line in sys.stdin:
    m = json.loads(line)
    if m.get("method") == "notifications/initialized" and what == "roots":
        print(json.dumps({"jsonrpc": "2.0", "id": "r", "method": "roots/list"}), flush=True)
    if "id" in m and "method" in m:
        print(json.dumps({"jsonrpc": "2.0", "id": m["id"], "result": result(m["method"])}), flush=True)
"""


def server(what: str, script: str = SERVER) -> StdioServer:
    return StdioServer(command=sys.executable, args=("-I", "-S", "-c", script, what))


@pytest.mark.parametrize(
    ("what", "wanted"),
    [
        ("same", Compared()),
        ("name", Compared(changes="its tools change with the directory")),
        ("word", Compared(speaks_of="file")),
        ("answer", Compared(changes="its answer of tool show changes with the directory")),
        ("odd", Compared()),
        ("writes", Compared(changes='it writes "kept.db" into its directory')),
        ("roots", Compared(asks_for_roots=True)),
    ],
)
@real_loop()
async def test_two_directories_tell_what_depends_on_them(what: str, wanted: Compared) -> None:
    """An answer that is another one at each start says nothing of the directory."""
    assert await compare("s", server(what), seconds=SECONDS, base_dir=Path()) == wanted


@real_loop()
async def test_a_server_that_cannot_be_tried_is_no_news() -> None:
    for script in ("", "import sys; sys.stdin.read()"):
        found = await compare("s", server("", script), seconds=0.2, base_dir=Path())
        assert found.problem


@real_loop()
async def test_a_server_of_a_configuration_is_tried_with_what_that_says(tmp_path: Path) -> None:
    path = tmp_path / "c.json"
    entry = {"command": sys.executable, "args": list(server("same").args)}
    path.write_text(json.dumps({"servers": {"a": entry}}))
    loaded = load_config(path, {})
    config = loaded.config.servers["a"]
    assert isinstance(config, StdioServer)
    assert await trial_of(loaded)("a", config) == Compared()


def seen(*tools: bytes, instructions: str | None = None, uris: tuple[str, ...] = ()) -> Seen:
    items = {RESOURCES: tuple(Item(uri, json.dumps({"uri": uri}).encode()) for uri in uris)}
    return Seen(tuple(map(Tool, tools)), Offer(instructions=instructions, items=items))


def test_the_order_of_tools_is_no_difference_and_everything_else_is() -> None:
    a, b = b'{"name":"a"}', b'{"name":"b"}'
    one = SeenThere(seen(a, b), {"tool a": b"1", "tool b": b"2"}, False)
    assert difference(one, SeenThere(seen(b, a), {"tool a": b"1"}, False)) is None
    assert difference(one, SeenThere(seen(a), {}, False)) == "its tools change with the directory"
    other = SeenThere(seen(a, b, uris=("x:a",)), {}, False)
    assert difference(one, other) == "its resources or prompts change with the directory"
    other = SeenThere(seen(a, b, instructions="in /x"), {}, False)
    assert difference(one, other) == "its instructions change with the directory"


@pytest.mark.parametrize(
    ("listed", "word"),
    [
        (seen(b'{"name":"readFile"}'), "file"),
        (seen(b'{"name":"search_code","description":"in the repository"}'), "repository"),
        (seen(b'{"name":"a","inputSchema":{"properties":{"projectPath":{}}}}'), "project"),
        (seen(b'{"name":"a","execution":{"taskSupport":"forbidden"}}'), None),
        (seen(b'{"name":"profile","description":"of a user"}'), None),
        (seen(b'{"name":"a"}', instructions="Give absolute paths."), "paths"),
        (seen(uris=("file:///x",)), "file"),
        (seen(b'{"name":"get_current_time","description":"in a timezone"}'), None),
    ],
)
def test_words_of_what_stands_in_directories_are_noticed(listed: Seen, word: str | None) -> None:
    assert speaks_of(listed) == word
