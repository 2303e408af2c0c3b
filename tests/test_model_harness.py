"""The benchmark that a real model takes part in, with a scripted one in its place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "benchmarks" / "model.py"
SERVERS = [
    ROOT / ".cache" / "npm" / "node_modules" / ".bin" / "mcp-server-filesystem",
    ROOT / ".cache" / "servers",
]
SECONDS = 240
pytestmark = pytest.mark.usefixtures("replay")
TOOL = {"name": "t", "description": "Does it", "inputSchema": {"type": "object"}, "annotations": {}}


def task(perform: Any) -> Any:
    """A task that a script does in this way."""

    class Task:
        QUERIES: ClassVar[dict[str, str]] = {}

    found: Any = Task()
    found.perform = perform
    return found


def _the_commit() -> None:
    """Skips a test in a clone without the commit that the tasks work on."""
    from replay.workplace import REVISION

    command = ["git", "-C", str(ROOT), "cat-file", "-e", REVISION]
    if subprocess.run(command, stderr=subprocess.DEVNULL, timeout=60).returncode:
        pytest.skip("the commit that the tasks work on is not in this clone")


def two_at_once(way: Any) -> Any:
    from replay.recording import Call

    return way.many([Call("s", "one", {"a": 1}), Call("s", "two")])


@pytest.mark.parametrize("api", ["openai", "anthropic"])
def test_a_conversation_goes_on_until_nothing_more_is_asked_for(api: str) -> None:
    """The tools are as each endpoint wants them, calls and results matched, the key is sent."""
    from replay.endpoints import ENDPOINTS, Asked, Told
    from replay.scripted import scripted_model

    with scripted_model() as model:
        model.task = task(two_at_once)
        endpoint = ENDPOINTS[api](model.url, "some-model", "secret", 99)
        first = endpoint.begin("Be brief", "Do it", [TOOL])
        assert [(call.tool, call.arguments) for call in first.calls] == [("s__one", {"a": 1}), ("s__two", {})]
        last = endpoint.tell([Told(call.id, f"told {call.tool}", failed=True) for call in first.calls])
    assert (last.calls, last.text) == ((), 'Done: ["told s__one", "told s__two"]')
    assert last.read > first.read > 0
    assert first.written > 0
    assert model.keys == ["secret"] * 2
    bodies = [body for _, body in model.requests]
    assert [body["model"] for body in bodies] == ["some-model"] * 2
    (tool,) = bodies[0]["tools"]
    results = bodies[1]["messages"][-2:]
    if api == "openai":
        assert tool["function"] == {"name": "t", "description": "Does it", "parameters": {"type": "object"}}
        assert bodies[0]["messages"][0] == {"role": "system", "content": "Be brief"}
        assert [told["tool_call_id"] for told in results] == [call.id for call in first.calls]
        assert bodies[0]["max_completion_tokens"] == 99
    else:
        assert tool == {"name": "t", "description": "Does it", "input_schema": {"type": "object"}}
        assert bodies[0]["system"] == "Be brief"
        assert [told["tool_use_id"] for told in results[1]["content"]] == [call.id for call in first.calls]
        assert all(told["is_error"] for told in results[1]["content"])
        assert bodies[0]["max_tokens"] == 99
    assert isinstance(first.calls[0], Asked)


def test_a_refusal_for_the_moment_is_followed_by_another_try() -> None:
    from replay.endpoints import ChatCompletions
    from replay.scripted import scripted_model

    with scripted_model() as model:
        model.task = task(lambda way: "nothing")
        model.refusals = [429, 503]
        reply = ChatCompletions(model.url, "m", "").begin("", "Do it", [])
    assert reply.text == 'Done: "nothing"'
    assert len(model.keys) == 3


def test_a_refusal_for_good_is_told_with_what_the_endpoint_said() -> None:
    from replay.endpoints import EndpointError, Messages
    from replay.scripted import scripted_model

    with scripted_model() as model:
        model.refusals = [401]
        with pytest.raises(EndpointError, match=r"answered 401: .*not now"):
            Messages(model.url, "m", "wrong").begin("", "Do it", [])
    assert len(model.keys) == 1


@pytest.mark.parametrize("api", ["openai", "anthropic"])
def test_tokens_from_the_endpoints_cache_count_as_read(api: str) -> None:
    from replay.endpoints import ENDPOINTS

    endpoint = ENDPOINTS[api]("http://127.0.0.1:1", "m", "")
    usage: dict[str, Any] = {"prompt_tokens": 90, "completion_tokens": 5}
    answer: dict[str, Any] = {
        "choices": [{"message": {"role": "assistant", "content": "a"}, "finish_reason": "length"}],
        "usage": usage | {"prompt_tokens_details": {"cached_tokens": 70}},
    }
    if api == "anthropic":
        kept = {"cache_read_input_tokens": 70, "cache_creation_input_tokens": 10}
        answer = {"content": [{"type": "text", "text": "a"}], "stop_reason": "max_tokens"}
        answer["usage"] = {"input_tokens": 10, "output_tokens": 5, **kept}
    reply = endpoint._read(answer)
    assert (reply.read, reply.cached, reply.written, reply.whole) == (90, 70, 5, False)


def test_arguments_that_are_no_object_are_told_to_the_model() -> None:
    from replay.endpoints import ChatCompletions

    call = {"id": "c", "type": "function", "function": {"name": "t", "arguments": "{not json"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    answer = {"choices": [{"message": message}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
    reply = ChatCompletions("http://127.0.0.1:1", "m", "")._read(answer)
    assert [asked.arguments for asked in reply.calls] == [None]


@pytest.mark.parametrize("mark", ["===", "=== x"])
def test_a_joined_answer_to_several_calls_is_taken_apart_again(mark: str) -> None:
    from replay.answers import Answer, answer_of
    from replay.scripted import blocks

    texts = [
        "completed: 2 of 2 calls succeeded",
        f"{mark} [0] a__t: ok\n",
        "one\ntwo\n",
        f"\n{mark} [1] a__t: ok\n",
    ]
    texts += ['{"n":2}']
    again = blocks("\n".join(texts))
    assert again == texts
    result = {"content": [{"type": "text", "text": text} for text in again]}
    assert answer_of(result) == Answer(("one\ntwo\n", {"n": 2}))


def test_every_recorded_task_of_the_page_has_a_goal_for_a_model() -> None:
    from replay.goals import GOALS
    from replay.recording import Recording
    from replay.tasks import TASKS

    assert list(GOALS) == list(TASKS)
    for name, goal in GOALS.items():
        assert goal.servers <= {call["server"] for call in Recording.load(name).calls}, name


def test_a_task_that_nobody_did_is_not_right() -> None:
    from replay.goals import GOALS
    from replay.tasks import TASKS
    from replay.workplace import workplace

    _the_commit()
    for name, goal in GOALS.items():
        with workplace(TASKS[name]) as place:
            assert goal.problems(place, "It is done."), name


@pytest.mark.skipif(not all(path.exists() for path in SERVERS), reason="scripts/interop has not been run")
@pytest.mark.parametrize("api", ["openai", "anthropic"])
def test_a_scripted_model_does_a_task_with_real_servers_on_every_way(api: str, tmp_path: Path) -> None:
    out = tmp_path / "outcomes.json"
    options = [
        "--scripted",
        "--api",
        api,
        "--task",
        "two-calls",
        "--way",
        "without",
        "lean",
        "--json",
        str(out),
    ]
    environment = {**os.environ, "MODEL_KEY": "never shown"}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *options],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=environment,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1].endswith("1 of 1 right")
    found = json.loads(out.read_text("utf-8"))
    ways = {way: outcomes[0] for way, outcomes in found["tasks"]["two-calls"].items()}
    assert [outcome["problems"] for outcome in ways.values()] == [[], []]
    assert ways["lean"]["read"] < ways["without"]["read"]
    assert ways["lean"]["tools"] == 11
    assert "never shown" not in done.stdout + out.read_text("utf-8")
