"""Failed calls are no dead ends: each is provoked, its next step is taken, and the call then succeeds."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from callmux.failures.calls import FAILURES
from tests.live.harness import Json, callmux, error_of, run, until, write_config
from tests.live.terminal import Terminal
from tests.live.test_listener import HELLO, post, request, run_listener
from tests.live.test_stdio_session import Scripted, tool
from tests.support import free_port

from .remote import Remote, remote
from .scene import STORIES, Scene, environment_of, program, status_of, story

ELSEWHERE = {
    "tool_call_failed": "it always has one of the categories below",
    "sign_in_needed": "tests/live/test_sign_in.py: needs an authorization server",
    "call_given_up": "tests/dashboard/test_live.py: needs a browser at the dashboard of a listener",
    "result_unreadable": "tests/rings/shield/test_shelf.py: needs a helper process that ends over a result",
    "outcome_unknown": "tests/nodes/test_placing.py: needs a node that is lost",
    "store_unavailable": "tests/process/test_remote_stores.py: needs a store outside of the process",
    "internal_error": "a defect: nobody knows one that is left",
}
"""Failure -> where it is provoked otherwise, and why not here."""


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


@story("tool_call_failed.protocol", followed=True)
async def unreadable(s: Scene) -> None:
    with remote() as server:
        await at(s, server)
        server.babbles = True
        error = await s.fails("remote__x")
        assert (error["code"], error["details"]["category"]) == ("tool_call_failed", "protocol")
        server.babbles = False
        tried = await s.shell("server", "test", error["details"]["server"])
        assert tried.returncode == 0, tried.stdout + tried.stderr
        await s.works("remote__x")


@story("tool_call_failed.session")
async def forgotten(s: Scene) -> None:
    with remote() as server:
        await at(s, server)
        server.forgets = True
        error = await s.fails("remote__x")
        assert (error["code"], error["details"]["category"]) == ("tool_call_failed", "session")
        assert error["details"]["safeToRetry"] is True
        server.forgets = False
        await s.works("remote__x")


@story("tool_call_failed.authorization", followed=True)
async def wants_another_token(s: Scene) -> None:
    with remote() as server:
        server.token = "first"
        await at(s, server, headers={"Authorization": "Bearer first"})
        server.token = "second"
        error = await s.fails("remote__x")
        assert (error["code"], error["details"]["category"]) == ("tool_call_failed", "authorization")
        assert (await s.shell("server", "test", "remote")).returncode != 0
        s.servers["remote"]["headers"]["Authorization"] = "Bearer second"
        s.write()
        tried = await s.shell("server", "test", "remote")
        assert tried.returncode == 0, tried.stdout + tried.stderr
        await s.in_the_end("remote__x")


async def at(s: Scene, server: Remote, **more: Any) -> None:
    """Enters a server at its URL, and waits until it is there."""
    s.servers["remote"] = {"url": server.url, "transport": "streamable-http", **more}
    s.write()
    await s.in_the_end("remote__x")


DENIED: Json = {
    "defaultEffect": "allow",
    "rules": [{"id": "no", "effect": "deny", "principals": ["stdio:me"], "tools": ["one__a"]}],
}


@story("authorization_denied", followed=True, stdioPrincipal="me", authorization=DENIED)
async def authorization_denied(s: Scene) -> None:
    assert (await s.fails("one__a"))["code"] == "authorization_denied"
    await s.works("callmux_call", await found(s, "large"))
    s.settings["authorization"] = {**DENIED, "rules": [{**DENIED["rules"][0], "tools": ["two__d"]}]}
    s.write()
    await s.in_the_end("one__a")


def answering(s: Scene, answer: str, *words: str) -> Terminal:
    """A person at a terminal who answers the question that waits."""
    person = Terminal(environment_of(s.folder), s.folder, *words, "--config", str(s.config), whole=True)
    person.types(answer, "Allow?")
    return person


async def asked(s: Scene, times: int = 1) -> str:
    """The id of a question that waits."""
    await until("it asks", lambda: s.client.said.count("Run: callmux approve ") == times)
    return s.client.said.rpartition("Run: callmux approve ")[2].split()[0]


@story("approval_timeout", followed=True, approve=["one__a"], approvalTimeoutMs=200)
async def approval_timeout(s: Scene) -> None:
    assert (await s.fails("one__a"))["code"] == "approval_timeout"
    s.settings["approvalTimeoutMs"] = 20_000
    s.write()
    await until("the longer time", lambda: "Reloaded" in s.client.said)
    again = asyncio.create_task(s.works("one__a"))
    await asked(s, 2)
    person = await asyncio.to_thread(answering, s, "y", "approve")
    await again
    assert (await asyncio.to_thread(person.ends))[0] == 0


@story("approval_denied", approve=["one__a"])
async def approval_denied(s: Scene) -> None:
    """What the person wants instead is another tool."""
    waiting = asyncio.create_task(s.fails("one__a"))
    said = await s.shell("approve", await asked(s), "--deny")
    assert said.returncode == 0, said.stderr
    assert (await waiting)["code"] == "approval_denied"
    await s.works("one__large")


@story("approval_unavailable", followed=True, approve=["one__a"])
async def approval_unavailable(s: Scene) -> None:
    refused = await s.shell("call", "one__a", "{}", "--direct")
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["error"]["code"] == "approval_unavailable"
    person = await asyncio.to_thread(answering, s, "y", "call", "one__a", "{}", "--direct")
    assert (await asyncio.to_thread(person.ends))[0] == 0


@story("session_cwd_unresolved", followed=True)
async def session_cwd_unresolved(s: Scene) -> None:
    s.servers["one"]["requireSessionCwd"] = True
    with run_listener(s.folder, write_config(s.folder / "l.json", s.servers), port := free_port()):
        _, _, session = await asyncio.to_thread(post, port, request(1, "initialize", HELLO))
        call: Json = {"name": "one__a", "arguments": {}}
        _, answer, _ = await asyncio.to_thread(post, port, request(2, "tools/call", call), session)
        assert error_of(answer["result"])["code"] == "session_cwd_unresolved"
        call["_meta"] = {"callmux": {"cwd": str(s.folder)}}
        _, answer, _ = await asyncio.to_thread(post, port, request(3, "tools/call", call), session)
        assert not answer["result"].get("isError"), answer


@story("scoped_client_capacity", followed=True, maxScopedClients=1)
async def scoped_client_capacity(s: Scene) -> None:
    places = [s.folder / name for name in ("here", "there")]
    for place in places:
        place.mkdir()
    listed = (tool("a"), tool("same"), tool("large"))
    s.one.has(*listed, delays={"a": 60_000})
    first, second = ({"server": "one", "tool": "a", "cwd": str(place)} for place in places)
    busy = asyncio.create_task(s.client.call("callmux_call", first))
    await until("it has begun", lambda: s.one.calls("a"))
    error = await s.fails("callmux_call", second)
    assert error["code"] == "scoped_client_capacity"
    s.settings[error["details"]["setting"]] = 2
    s.one.has(*listed, delays={})
    s.write()
    await s.in_the_end("callmux_call", second)
    busy.cancel()


@story("bridge_upstream_unavailable", followed=True)
async def bridge_upstream_unavailable(s: Scene) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}/mcp"
    async with callmux(s.folder, "bridge", "--url", url, env=environment_of(s.folder)) as s.client:
        await s.client.initialize()
        error = await s.fails("one__a")
        assert error["code"] == "bridge_upstream_unavailable"
        assert (await s.follow({"details": {"url": url}, **error})).returncode != 0
        with run_listener(s.folder, s.config, port):
            assert (await s.follow({"details": {"url": url}, **error})).returncode == 0
            await s.in_the_end("one__a")


@story("bridge_tool_call_failed", followed=True)
async def bridge_tool_call_failed(s: Scene) -> None:
    url = f"http://127.0.0.1:{(port := free_port())}/mcp"
    auth = {"mode": "bearer", "tokens": [{"id": "me", "token": "secret-of-mine"}]}
    config = write_config(s.folder / "l.json", s.servers, auth=auth)
    env = environment_of(s.folder)
    with run_listener(s.folder, config, port):
        async with callmux(s.folder, "bridge", "--url", url, env=env) as s.client:
            await s.client.initialize()
            error = await s.fails("one__a")
        assert error["code"] == "bridge_tool_call_failed"
        assert (await s.follow({"details": {"url": url}, **error})).returncode != 0
        (s.folder / "token").write_text("secret-of-mine")
        given = ("--token-file", s.folder / "token")
        async with callmux(s.folder, "bridge", "--url", url, *given, env=env) as s.client:
            await s.client.initialize()
            await s.works("one__a")


@story("session_cwd_refused")
async def session_cwd_refused(s: Scene) -> None:
    """A client with a token, of which the listener does not know that it is of this machine."""
    auth = {"mode": "bearer", "tokens": [{"id": "me", "token": "secret-of-mine"}]}
    allowed, other = s.folder / "allowed", s.folder / "other"
    allowed.mkdir()
    other.mkdir()
    config = write_config(s.folder / "l.json", s.servers, auth=auth, sessionCwdRoots=[str(allowed)])

    async def sent(method: str, params: Json, session: str | None = None) -> tuple[int, Any, str | None]:
        token = {"Authorization": "Bearer secret-of-mine"}
        return await asyncio.to_thread(post, port, request(1, method, params), session, **token)

    with run_listener(s.folder, config, port := free_port()):
        session = (await sent("initialize", HELLO))[2]
        call: Json = {"name": "one__a", "arguments": {}, "_meta": {"callmux": {"cwd": str(other)}}}
        answer = (await sent("tools/call", call, session))[1]
        assert error_of(answer["result"])["code"] == "session_cwd_refused"
        call["_meta"] = {"callmux": {"cwd": str(allowed)}}
        answer = (await sent("tools/call", call, session))[1]
        assert not answer["result"].get("isError"), answer


@story("secret_unresolved")
async def secret_unresolved(s: Scene) -> None:
    """A token of the listener stands in a file that is not there yet."""
    auth = {"mode": "bearer", "tokens": [{"id": "me", "tokenRef": "file:own.token"}]}
    config = write_config(s.folder / "l.json", s.servers, auth=auth)
    refused = await s.shell("--listen", str(port := free_port()), config=config)
    assert refused.returncode == 1
    assert "own.token" in refused.stderr
    (s.folder / "own.token").write_text("secret-of-mine")
    with run_listener(s.folder, config, port):
        answer = await asyncio.to_thread(
            post, port, request(1, "initialize", HELLO), Authorization="Bearer secret-of-mine"
        )
        assert answer[0] == 200
