"""Failed calls are no dead ends: each is provoked, its next step is taken, and the call then succeeds."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from callmux.failures.calls import FAILURES
from tests.live.harness import Json, run, until
from tests.live.test_stdio_session import Scripted, tool

from .scene import STORIES, Scene, program, status_of, story

ELSEWHERE = {
    "tool_call_failed": "one of its categories below",
    "tool_call_failed.session": "tests/live/test_lost_calls.py: a server forgets the session",
    "tool_call_failed.protocol": "tests/upstream/links: the step is for the author of the server",
    "tool_call_failed.authorization": "tests/upstream/links/test_http.py",
    "sign_in_needed": "tests/live/test_sign_in.py: needs an authorization server",
    "session_cwd_unresolved": "tests/live/test_directories.py: in a listener only",
    "session_cwd_refused": "tests/session/test_cwd.py: needs a client of another machine",
    "scoped_client_capacity": "tests/upstream: needs all connections busy",
    "result_unreadable": "tests/rings/shield/test_shelf.py",
    "secret_unresolved": "tests/config/test_secrets.py",
    "store_unavailable": "tests/process/test_remote_stores.py: needs a store that fails",
    "internal_error": "a defect: nobody knows one that is left",
    "bridge_upstream_unavailable": "tests/live/test_survival.py: listeners that come back",
    "bridge_tool_call_failed": "tests/bridge/test_failures.py",
    "authorization_denied": "tests/rings/test_authorizing.py",
    "approval_denied": "tests/rings/test_approving.py",
    "approval_timeout": "tests/rings/test_approving.py",
    "approval_unavailable": "tests/rings/test_approving.py",
}
"""Failure -> where it is provoked otherwise."""


def test_every_failed_call_is_provoked_here_or_elsewhere() -> None:
    assert not {f.id for f in FAILURES} - STORIES.keys() - ELSEWHERE.keys()


@pytest.mark.parametrize("id", [f.id for f in FAILURES if f.id not in ELSEWHERE])
def test_its_next_step_leads_to_a_call_that_succeeds(id: str, tmp_path: Path) -> None:
    run(Scene(tmp_path, dict(STORIES[id].more)).play(STORIES[id]))


async def found(s: Scene, query: str) -> Json:
    """What calls the first tool that the search gives: the step of several failures."""
    answer = await s.works("callmux_search_tools", {"query": query})
    first = answer["results"][0]
    return {"server": first["server"], "tool": first["name"], "arguments": {}}


@story("invalid_arguments", followed=True)
async def invalid_arguments(s: Scene) -> None:
    error = await s.fails("callmux_call", {"arguments": {}})
    assert (error["code"], error["details"]["field"]) == ("invalid_arguments", "tool")
    corrected: Json = {"tool": "one__a", "arguments": {}}
    tried = await s.works("callmux_dry_run", {"mode": "call", **corrected})
    assert "one" in json.dumps(tried)
    await s.works("callmux_call", corrected)


@story("tool_not_found", followed=True)
async def tool_not_found(s: Scene) -> None:
    assert (await s.fails("large_one"))["code"] == "tool_not_found"
    await s.works("callmux_call", await found(s, "large"))


@story("tool_resolution_failed", followed=True)
async def tool_resolution_failed(s: Scene) -> None:
    error = await s.fails("same")
    assert error["code"] == "tool_resolution_failed"
    await s.works("callmux_call", await found(s, "same"))
    await s.works(str(error["message"]).rsplit(" ", 1)[1])


@story("tool_removed_after_reconnect", followed=True)
async def tool_removed(s: Scene) -> None:
    before = s.one.pids()
    s.one.has(tool("newer"))
    for pid in before:
        psutil.Process(pid).kill()
    await until("it is back", lambda: s.one.pids() - before)
    await s.in_the_end("one__newer")
    error = await s.fails("one__a")
    assert error["code"] == "tool_removed_after_reconnect"
    await s.works(f"one__{error['details']['currentTools'][0]}")


@story("argument_resolution_failed")
async def argument_resolution_failed(s: Scene) -> None:
    asked = {"text": {"$file": "notes.md"}}
    error = await s.fails("one__a", asked)
    assert error["code"] == "argument_resolution_failed"
    assert "notes.md" in error["message"]
    (s.folder / "notes.md").write_text("here it is")
    await s.works("one__a", asked)


@story("recipe_not_found", followed=True, recipes={"look": {"mode": "call", "tool": "one__a"}})
async def recipe_not_found(s: Scene) -> None:
    error = await s.fails("callmux_recipe_run", {"recipe": "loook"})
    assert error["code"] == "recipe_not_found"
    await s.works("callmux_recipe_run", {"recipe": error["details"]["availableRecipes"][0]})


@story("server_not_found", followed=True)
async def server_not_found(s: Scene) -> None:
    error = await s.fails("callmux_search_tools", {"query": "a", "server": "oen"})
    assert error["code"] == "server_not_found"
    listed = await s.follow(error)
    assert listed.returncode == 0
    name = error["details"]["availableServers"][0]
    assert name in listed.stdout
    await s.works("callmux_search_tools", {"query": "a", "server": name})


@story("server_disabled", followed=True)
async def server_disabled(s: Scene) -> None:
    done = await s.shell("server", "disable", "two")
    assert done.returncode == 0, done.stderr
    await until("it is off", lambda: "Reloaded" in s.client.said)
    error = await s.fails("callmux_call", {"server": "two", "tool": "d"})
    assert error["code"] == "server_disabled"
    assert "callmux server enable two" in error["message"]
    done = await s.follow(error)
    assert done.returncode == 0, done.stderr
    await s.in_the_end("callmux_call", {"server": "two", "tool": "d"})


@story("downstream_unavailable", followed=True, servers={"late": {"command": "./late", "args": []}})
async def downstream_unavailable(s: Scene) -> None:
    error = await s.fails("callmux_call", {"server": "late", "tool": "x"})
    assert error["code"] == "downstream_unavailable"
    assert error["details"]["safeToRetry"] is True
    assert status_of(await s.works("callmux_status"), "late")["nextStep"]
    tried = await s.follow(error)
    assert tried.returncode != 0
    assert "late" in tried.stdout + tried.stderr
    program(s.folder, Scripted(s.folder, "third").has(tool("x")))
    tried = await s.follow(error)
    assert tried.returncode == 0, tried.stdout + tried.stderr
    await s.in_the_end("callmux_call", {"server": "late", "tool": "x"})


@story("tool_call_failed.timeout", followed=True)
async def timed_out(s: Scene) -> None:
    s.one.has(tool("a"), delays={"a": 400})
    error = await s.fails("callmux_call", {"server": "one", "tool": "a", "timeoutMs": 50})
    assert (error["code"], error["details"]["category"]) == ("tool_call_failed", "timeout")
    assert error["details"]["safeToRetry"] is False
    await s.works("callmux_call", {"server": "one", "tool": "a", "timeoutMs": 15000})


@story("tool_call_failed.transport")
async def broke(s: Scene) -> None:
    s.one.has(tool("a"), delays={"a": 60000})
    sent = s.client.send("tools/call", {"name": "one__a", "arguments": {}})
    await until("it has begun", lambda: s.one.calls("a"))
    s.one.has(tool("a"), delays={})
    for pid in s.one.pids():
        with suppress(psutil.Error):
            psutil.Process(pid).kill()
    error = (await sent)["result"]["structuredContent"]["error"]
    assert (error["code"], error["details"]["category"]) == ("tool_call_failed", "transport")
    assert error["details"]["executionState"] == "unknown"
    # Whether it has had its effect is what its log says: it began once, and was not finished.
    assert s.one.calls("a") == 1
    await s.in_the_end("one__a")


@story("tool_call_failed.unknown")
async def refused(s: Scene) -> None:
    answer = {"code": -32602, "message": "give an id"}
    s.one.has(tool("a"), answers={"a": [f'{{"jsonrpc":"2.0","id":$ID,"error":{json.dumps(answer)}}}']})
    error = await s.fails("callmux_call", {"server": "one", "tool": "a", "arguments": {}})
    assert (error["code"], error["details"]["category"]) == ("tool_call_failed", "unknown")
    assert "give an id" in error["message"]
    s.one.has(tool("a"), answers={})
    await s.works("callmux_call", {"server": "one", "tool": "a", "arguments": {"id": 1}})


async def kept(s: Scene) -> str:
    """The ref of a result that went out shortened."""
    shown = json.loads((await s.works("one__large", {"size": 50000}))["text"])
    return str(shown["_callmux"]["ref"])


@story("result_not_found", responseShield={"maxResultBytes": 4000})
async def result_not_found(s: Scene) -> None:
    error = await s.fails("callmux_get_result", {"ref": "r_nothing"})
    assert error["code"] == "result_not_found"
    await s.works("callmux_get_result", {"ref": await kept(s)})


@story("result_path_not_found", followed=True, responseShield={"maxResultBytes": 4000})
async def result_path_not_found(s: Scene) -> None:
    ref = await kept(s)
    error = await s.fails("callmux_get_result", {"ref": ref, "path": "content[7].nothing"})
    assert error["code"] == "result_path_not_found"
    await s.works("callmux_get_result", {"ref": ref})
