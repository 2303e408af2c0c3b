"""Tools as the dashboard lists them."""

from __future__ import annotations

import json

from callmux.dashboard.tool_views import LONGEST, listed, one
from callmux.protocol.shapes import Tool
from callmux.upstream.catalogue import Catalogue, ServerTools

TEXT = "d" * 400
TOOLS = [
    Tool(b'{"name":"t","title":"T","description":"%b","annotations":{"readOnlyHint":true}}' % TEXT.encode()),
    Tool(b'{"name":"u"}'),
]
ENTRIES = Catalogue([ServerTools(server="a", tools=TOOLS, listed=True)]).entries
OWN = [{"name": "callmux_x", "description": "mine"}, {"name": "callmux_y"}]


def test_the_list_has_no_schema_and_no_endless_text() -> None:
    first, second, own, bare = listed(ENTRIES, OWN)
    assert first["description"] == TEXT[:LONGEST]
    assert (first["title"], first["readOnly"], first["destructive"]) == ("T", True, False)
    assert "title" not in second
    assert "description" not in second
    assert (own["server"], own["description"], bare["description"]) == ("", "mine", "")


def test_one_tool_is_shown_as_clients_see_it_and_as_its_server_sent_it() -> None:
    listing = b'{"tools":[{"name":"t","description":"short"},{"name":"callmux_x"}]}'
    found = one("t", ENTRIES, listing)
    assert found is not None
    assert (found["server"], found["tool"]) == ("a", "t")
    assert json.loads(bytes(found["listed"]))["description"] == "short"
    assert bytes(found["original"]) == TOOLS[0].raw
    own = one("callmux_x", ENTRIES, listing)
    assert own is not None
    assert (own["server"], own["listed"]) == ("", own["original"])
    hidden = one("u", ENTRIES, listing)
    assert hidden is not None
    assert hidden["listed"] is None
    assert one("zzz", ENTRIES, listing) is None
