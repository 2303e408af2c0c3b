"""A call is a record of what goes to a server, and is told what becomes of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.plan import ToolCall
from callmux.protocol.shapes import Result
from callmux.rings import call as module
from callmux.rings.call import Call
from callmux.rings.stage import Outcome
from callmux.upstream.failures import lost
from tests.support import context, planned, play, settle


def sent(call: Call) -> Any:
    line = call.line(7)
    assert line.endswith(b"\n")
    return json.loads(line)


def test_what_is_known_of_the_target_stands_in_the_route() -> None:
    call = planned(server="s", method="prompts/get", target="x", safe=True)
    assert (call.server, call.method, call.tool, call.safe) == ("s", "prompts/get", None, True)


@pytest.mark.parametrize("name", ["t", "50%", 'a"b', "%d%b"])
def test_a_plain_call_carries_its_arguments_as_they_came(name: str) -> None:
    call = planned(target=name, arguments=Raw(b'{ "n": 1.50 }'))
    assert b'{ "n": 1.50 }' in call.line(7)
    assert sent(call) == {
        "jsonrpc": "2.0",
        "id": 7,
        "method": "tools/call",
        "params": {"name": name, "arguments": {"n": 1.5}},
    }


def test_a_call_without_arguments_has_none() -> None:
    assert sent(planned())["params"] == {"name": "t"}


def test_other_members_go_along_and_a_token_becomes_our_own() -> None:
    meta, extra = Raw(b'{"progressToken":"mine","k":1}'), {"task": Raw(b'{"ttl":5}')}
    call = planned(asked=ToolCall(spelling="t", meta=meta, extra=extra), arguments=Raw(b"{}"))
    assert sent(call)["params"]["_meta"] == {"progressToken": "mine", "k": 1}
    call.progress = lambda params: None
    assert sent(call)["params"] == {
        "name": "t",
        "arguments": {},
        "_meta": {"progressToken": 7, "k": 1},
        "task": {"ttl": 5},
    }


def test_other_requests_name_their_target_their_own_way() -> None:
    asked = ToolCall(spelling="u:x", extra={"more": Raw(b"1")})
    call = planned(method="resources/read", target="u:x", key="uri", asked=asked)
    assert sent(call)["params"] == {"uri": "u:x", "more": 1}
    assert "params" not in sent(planned(method="x", target="x", key=None, no_params=True))


def test_others_who_wait_give_it_more_time_and_whoever_set_a_timer_hears_of_it() -> None:
    call = planned(deadline=10.0, seconds=5.0)
    call.extend(9.0, 4.0)
    assert (call.deadline, call.seconds) == (10.0, 5.0)
    told: list[float] = []
    call.moved = told.append
    call.extend(20.0, 8.0)
    assert (call.deadline, call.seconds, told) == (20.0, 8.0, [20.0])


def test_it_ends_with_the_answer_or_with_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE", 10)
    outcomes: list[Outcome] = []

    async def scene() -> None:
        for size in (2, 100):
            call = planned(done=lambda call, outcome: outcomes.append(outcome))
            call.answered(Raw(b'"' + b"x" * size + b'"'))
            await settle()
        call = planned(done=lambda call, outcome: outcomes.append(outcome))
        call.failed(lost("gone", started=True))

    play(scene())
    small, large, failure = outcomes
    assert isinstance(small, Result)
    assert isinstance(large, Result)
    assert (small.raw, large.raw) == (b'"xx"', b'"' + b"x" * 100 + b'"')
    assert str(failure) == "gone"


@pytest.mark.parametrize(
    ("given", "sent_as"),
    [
        (b'{"progressToken":"x"}', {"progressToken": 7}),
        (b'{"progressToken":"x","k":1}', {"progressToken": 7, "k": 1}),
        (b'{ "k" : 1.50, "progressToken" : "x" }', {"k": 1.5, "progressToken": 7}),
        (b'{"progressToken": "x"}', {"progressToken": 7}),
    ],
)
def test_meta_is_part_of_the_plain_call(given: bytes, sent_as: Any) -> None:
    asked = ToolCall(spelling="t", meta=Raw(given))
    around = context(progress_token=Raw(b'"x"'))
    call = planned(target="50%", asked=asked, arguments=Raw(b'{"n": 1.50}'), context=around)
    assert given in call.line(7)
    call.progress = lambda params: None
    assert b'{"n": 1.50}' in call.line(7)
    assert sent(call)["params"] == {"name": "50%", "arguments": {"n": 1.5}, "_meta": sent_as}
