"""What conversations cost is told in tokens, and as an estimate."""

from __future__ import annotations

import json
from typing import Any, cast

from callmux.context import ClientPort
from callmux.protocol.shapes import Tool
from callmux.session.consumption import BYTES_A_TOKEN, Consumption, consumed, read_again, usage_of
from callmux.session.facts import Nobody
from callmux.session.handler import Handler
from callmux.session.session import Session
from callmux.tokens import estimate
from callmux.upstream.catalogue import Catalogue, ServerTools
from tests.support import FakeClient

SCHEMA = {"type": "object", "properties": {"path": {"type": "string"}}}
TOOL = {"name": "read", "description": "Reads a file", "inputSchema": SCHEMA, "outputSchema": SCHEMA}
MODELS = json.dumps({key: TOOL[key] for key in ("name", "description", "inputSchema")}, separators=(",", ":"))


def catalogue() -> Catalogue:
    tools = [
        Tool(json.dumps({**TOOL, "name": name}, separators=(",", ":")).encode()) for name in ("read", "rows")
    ]
    return Catalogue([ServerTools(server="a", tools=tools, listed=True)])


def session(*sizes: int, listing: Any = None) -> Session:
    """One that has had turns of these bytes, after it was given this list."""
    made = Session(cast(Handler[Session], None), lambda line: None)
    for size in sizes:
        for way in (made.facts.usage.seen, made.facts.usage.apart, made.facts.usage.together):
            way.turn(size)
            way.calls += 1
    if listing is not None:
        made.seen["tools"] = json.dumps(listing, separators=(",", ":")).encode()
    return made


def test_turns_read_the_definitions_that_the_client_was_given() -> None:
    found = consumed(session(365, 365, listing={"tools": [TOOL]}), catalogue)
    one = estimate(MODELS)
    assert found["asSeen"] == {
        "turns": 2,
        "calls": 2,
        "newTokens": one + 200,
        "readTokens": 3 * one + round((365 + 730) / BYTES_A_TOKEN),
    }
    assert found["oneByOne"]["newTokens"] == 2 * one + 200
    assert found["oneByOne"] == found["severalATurn"]


def test_who_was_listed_nothing_reads_no_definitions() -> None:
    assert consumed(session(365), catalogue)["severalATurn"]["readTokens"] == 100
    assert consumed(session(365, listing={"tools": 5}), catalogue)["asSeen"]["newTokens"] == 100


def test_sessions_that_are_over_count_on() -> None:
    whole = Consumption(catalogue)
    nothing = whole.total([])
    assert set(nothing) == {"asSeen", "oneByOne", "severalATurn"}
    assert not any(nothing["asSeen"].values())
    first, second = session(365), session(365, 365)
    both = whole.total([first, second])
    whole.left(first)
    assert whole.total([second]) == both
    assert both["asSeen"]["turns"] == 3
    whole.left(session())
    assert whole.shown([second]) == {"estimated": True, **both}


def test_one_more_turn_reads_the_definitions_and_the_conversation_again() -> None:
    fresh = session(listing={"tools": [TOOL]})
    defined = round(estimate(MODELS) * BYTES_A_TOKEN)
    assert read_again(fresh) == defined
    assert read_again(session(365, 200, listing={"tools": [TOOL]})) == defined + 565


def test_what_one_more_turn_reads_is_not_known_of_a_client_without_a_conversation_of_its_own() -> None:
    class Lent(FakeClient):
        """A request to which a session is lent that others have, too."""

        session = session(365, listing={"tools": [TOOL]})  # type: ignore[assignment]

    lent = Lent()
    lent.lasting = False
    assert read_again(session(365)) is None
    assert read_again(FakeClient()) is None
    assert read_again(cast(ClientPort, Nobody(None))) is None
    assert read_again(lent) is None


def test_a_client_is_told_of_its_own_session_once_it_has_called() -> None:
    assert usage_of(catalogue, session()) is None
    assert usage_of(catalogue, FakeClient()) is None
    # Whoever asks `/ready` has no conversation.
    assert usage_of(catalogue, cast(ClientPort, Nobody(None))) is None
    told = usage_of(catalogue, session(365))
    assert told is not None
    assert told["estimated"] is True
    assert told["asSeen"]["newTokens"] == 100
