"""Every way to a server, from clients that others wrote, with and without forms: no effect without approval,
exactly one with it, and as many questions as docs/approval.md promises.

The server writes down every effect. Where a client shows no form, the process is asked over its control
socket, as `callmux approve` does; that command itself, and calls from a shell, run on a terminal here.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.sse import sse_client
from mcp.client.stdio import StdioServerParameters
from mcp.shared.exceptions import MCPError
from mcp.types import ElicitResult

from callmux.process.control_sockets import ask, sockets
from tests.support import SECONDS, free_port, real_loop

from . import terminal
from .harness import environment, python_server, run, stdio, write_config
from .test_listener import run_listener

WAYS = ("stdio", "mcp", "sse", "bridge")
TIERS = ("read", "write", "destroy")

Route = Callable[[Client, str, str], Awaitable[Any]]


def recipes() -> dict[str, Any]:
    return {
        f"do_{tier}": {"mode": "call", "tool": tier, "arguments": {"word": {"$param": "word"}}}
        for tier in TIERS
    }


def entry(tool: str, token: str) -> dict[str, Any]:
    return {"tool": tool, "arguments": {"word": token}}


ROUTES: dict[str, Route] = {
    "direct": lambda c, tool, token: c.call_tool(tool, {"word": token}),
    "call": lambda c, tool, token: c.call_tool("callmux_call", entry(tool, token)),
    "parallel": lambda c, tool, token: c.call_tool("callmux_parallel", {"calls": [entry(tool, token)]}),
    "batch": lambda c, tool, token: c.call_tool(
        "callmux_batch", {"tool": tool, "items": [{"arguments": {"word": token}}]}
    ),
    "pipeline": lambda c, tool, token: c.call_tool("callmux_pipeline", {"steps": [entry(tool, token)]}),
    "recipe": lambda c, tool, token: c.call_tool(
        "callmux_recipe_run", {"recipe": f"do_{tool}", "arguments": {"word": token}}
    ),
}
READING: dict[str, Route] = {
    "prompt": lambda c, tool, token: c.get_prompt("e__hello", {"word": token}),
    "resource": lambda c, tool, token: c.read_resource("eff:///one"),
}


class Scene:
    """A callmux with a ledger behind it, and a person.

    Attributes:
        decision: What the person says to every question.
        asked: How often the person was asked.
        seen: Effects that others had before.
    """

    def __init__(self, tmp_path: Path, way: str, approve: list[str], **more: Any) -> None:
        self.path = tmp_path
        self.way = way
        self.ledger = tmp_path / "effects"
        self.ledger.touch()
        server = stdio(python_server("effects_server.py", self.ledger))
        self.config = write_config(
            tmp_path / "callmux.json", {"e": server}, approve=approve, recipes=recipes(), **more
        )
        self.port = free_port()
        self.env = environment(tmp_path, "") | {"XDG_STATE_HOME": str(tmp_path / "state")}
        self.decision = "deny"
        self.asked = 0
        self.seen = 0

    def by(self, way: str) -> Scene:
        """The same process for another client and person."""
        scene = copy.copy(self)
        scene.way, scene.decision, scene.asked = way, "deny", 0
        scene.seen += len(self.effects)
        return scene

    @property
    def effects(self) -> list[Any]:
        return [json.loads(line) for line in self.ledger.read_text().splitlines()[self.seen :]]

    @contextlib.contextmanager
    def process(self) -> Iterator[None]:
        """The listener, where there is one."""
        if self.way == "stdio":
            yield
            return
        with run_listener(self.path, self.config, self.port):
            yield

    def to(self) -> Any:
        """What the client connects to."""
        if self.way == "mcp":
            return f"http://127.0.0.1:{self.port}/mcp"
        if self.way == "sse":
            return sse_client(f"http://127.0.0.1:{self.port}/sse")
        args = ["-m", "callmux", "--config", str(self.config)]
        if self.way == "bridge":
            args = ["-m", "callmux", "bridge", "--url", f"http://127.0.0.1:{self.port}/mcp"]
        return StdioServerParameters(command=sys.executable, args=args, env=self.env, cwd=self.path)

    @contextlib.asynccontextmanager
    async def client(self, *, forms: bool) -> AsyncIterator[Client]:
        async def elicited(context: Any, params: Any) -> ElicitResult:
            self.asked += 1
            assert "e: " in params.message
            return ElicitResult(action="accept", content={"decision": self.decision})

        callback = elicited if forms else None
        async with Client(
            self.to(), mode="legacy", elicitation_callback=callback, read_timeout_seconds=SECONDS
        ) as client:
            await client.list_tools()
            yield client

    def waiting(self) -> list[tuple[Path, Any]]:
        """What waits, and where."""
        found = []
        for place in sockets(self.config, self.env).values():
            found += [
                (place, question) for question in ask(place, {"method": "approvals"}, SECONDS)["waiting"]
            ]
        return found

    async def person(self) -> None:
        """Answers at a terminal whatever comes, until it is cancelled."""
        while True:
            for place, question in await asyncio.to_thread(self.waiting):
                self.asked += 1
                answer = {"method": "approve", "id": question["id"], "choice": self.decision}
                await asyncio.to_thread(ask, place, answer, SECONDS)
            await asyncio.sleep(0.02)


Served = Callable[[str, str], contextlib.AbstractContextManager[Scene]]
"""A running callmux that asks about a tier, by the way to it and that tier."""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """On stdio each client has a process of its own; all other ways lead to one listener for each tier."""
    with contextlib.ExitStack() as listeners:
        running: dict[str, Scene] = {}

        @contextlib.contextmanager
        def of(way: str, tier: str) -> Iterator[Scene]:
            if way == "stdio":
                yield Scene(tmp_path_factory.mktemp("stdio"), way, [tier])
                return
            if tier not in running:
                scene = Scene(tmp_path_factory.mktemp("listener"), "mcp", [tier])
                listeners.enter_context(scene.process())
                running[tier] = scene
            yield running[tier].by(way)

        yield of


def code_of(result: Any) -> str | None:
    """The code of the error that an answer is; of the failed step in one that tells of several calls."""
    content = result.structured_content or {}
    if not result.is_error:
        return None
    return str(content["error"]["code"])


async def made(route: Route, client: Client, tool: str, token: str) -> str | None:
    """Makes a call; the code of its error, if there is one."""
    try:
        result = await route(client, tool, token)
    except MCPError as error:
        return str(error.error.data["code"])
    return code_of(result) if hasattr(result, "is_error") else None


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("forms", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_no_way_leads_around_approval(way: str, forms: bool, tier: str, served: Served) -> None:
    async def story(scene: Scene) -> None:
        async with scene.client(forms=forms) as client:
            person = asyncio.get_running_loop().create_task(asyncio.sleep(0) if forms else scene.person())
            try:
                await tell(scene, client)
            finally:
                person.cancel()

    async def tell(scene: Scene, client: Client) -> None:
        for name, route in (ROUTES | READING).items():
            # Prompts and resources read.
            needs = name not in READING or tier == "read"
            for decision in ("deny", "once"):
                scene.decision, asked, effects = decision, scene.asked, len(scene.effects)
                code = await made(route, client, tier, f"{name} {decision}")
                done = scene.effects[effects:]
                assert scene.asked - asked == needs, (name, decision)
                if needs and decision == "deny":
                    assert (code, done) == ("approval_denied", []), (name, done)
                else:
                    what = tier if name not in READING else name
                    token = f"{name} {decision}" if name != "resource" else "eff:///one"
                    assert (code, done) == (None, [[what, token]]), (name, decision)

    with served(way, tier) as scene:
        run(story(scene), 90)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("forms", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_one_request_is_one_question_and_a_fed_step_another(
    way: str, forms: bool, tier: str, served: Served
) -> None:
    async def story(scene: Scene) -> None:
        async with scene.client(forms=forms) as client:
            person = asyncio.get_running_loop().create_task(asyncio.sleep(0) if forms else scene.person())
            try:
                scene.decision = "once"
                calls = [entry(tier, f"t{n}") for n in range(5)]
                await client.call_tool("callmux_parallel", {"calls": calls})
                assert scene.asked == 1
                assert sorted(scene.effects) == [[tier, f"t{n}"] for n in range(5)]
                fed = {"tool": tier, "inputMapping": {"word": "$json.word"}}
                await client.call_tool("callmux_pipeline", {"steps": [entry(tier, "p"), fed]})
                assert scene.asked == 3
                assert scene.effects[5:] == [[tier, "p"], [tier, "p"]]
                scene.decision = "session"
                await client.call_tool(tier, {"word": "s"})
                assert scene.asked == 4
                scene.decision = "deny"
                for name, route in ROUTES.items():
                    assert await made(route, client, tier, name) is None
                assert scene.asked == 4
                assert len(scene.effects) == 8 + len(ROUTES)
            finally:
                person.cancel()

    with served(way, tier) as scene:
        run(story(scene), 60)


@pytest.mark.parametrize("forms", [True, False])
def test_a_bridge_with_a_short_limit_waits_for_a_person(forms: bool, tmp_path: Path) -> None:
    scene = Scene(tmp_path, "bridge", ["write"])

    async def story() -> None:
        args = [
            *("-m", "callmux", "bridge", "--url", f"http://127.0.0.1:{scene.port}/mcp"),
            *("--call-timeout", "1000"),
        ]
        to = StdioServerParameters(command=sys.executable, args=args, env=scene.env, cwd=scene.path)
        late = asyncio.Event()

        async def elicited(context: Any, params: Any) -> ElicitResult:
            await late.wait()
            return ElicitResult(action="accept", content={"decision": "once"})

        async with Client(
            to, mode="legacy", elicitation_callback=elicited if forms else None, read_timeout_seconds=SECONDS
        ) as client:
            call = asyncio.get_running_loop().create_task(client.call_tool("write", {"word": "t"}))
            while not (waiting := await asyncio.to_thread(scene.waiting)):
                await asyncio.sleep(0.02)
            # Longer than the bridge waits for a call.
            await asyncio.sleep(1.5)
            assert not call.done()
            late.set()
            if not forms:
                ((place, question),) = waiting
                answer = {"method": "approve", "id": question["id"], "choice": "once"}
                await asyncio.to_thread(ask, place, answer, SECONDS)
            assert code_of(await call) is None
        assert scene.effects == [["write", "t"]]

    with scene.process():
        run(story(), 60)


def test_through_a_bridge_a_call_that_nobody_approves_says_what_to_do(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "bridge", ["write"], approvalTimeoutMs=300)

    async def story() -> None:
        async with scene.client(forms=False) as client:
            result = await client.call_tool("write", {"word": "t"})
            assert code_of(result) == "approval_timeout"
            message = (result.structured_content or {})["error"]["message"]
            assert "callmux approve" in message
            assert "0.3 s" in message
        assert scene.effects == []

    with scene.process():
        run(story(), 60)


@real_loop()
async def test_a_listener_that_is_stopped_refuses_what_waits(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "mcp", ["write"])

    with run_listener(tmp_path, scene.config, scene.port) as process:
        async with scene.client(forms=False) as client:
            call = asyncio.get_running_loop().create_task(client.call_tool("write", {"word": "t"}))
            while not await asyncio.to_thread(scene.waiting):
                await asyncio.sleep(0.02)
            process.terminate()
            result = await call
            assert code_of(result) == "approval_unavailable"
            assert "being stopped" in (result.structured_content or {})["error"]["message"]
    assert scene.effects == []


@real_loop()
async def test_a_listener_that_another_takes_over_from_refuses_what_waits(tmp_path: Path) -> None:
    scene = Scene(tmp_path, "mcp", ["write"])

    with run_listener(tmp_path, scene.config, scene.port) as process:
        async with scene.client(forms=False) as client:
            call = asyncio.get_running_loop().create_task(client.call_tool("write", {"word": "t"}))
            while not await asyncio.to_thread(scene.waiting):
                await asyncio.sleep(0.02)
            process.send_signal(signal.SIGUSR2)
            assert code_of(await call) == "approval_unavailable"
            # The one that follows asks anew, once no connection leads to the old one any more.
            scene.decision = "once"
            person = asyncio.get_running_loop().create_task(scene.person())
            try:
                while code_of(await client.call_tool("write", {"word": "u"})) is not None:
                    await asyncio.sleep(0.05)
            finally:
                person.cancel()
    assert scene.effects == [["write", "u"]]


@pytest.mark.parametrize("way", ["stdio", "bridge"])
def test_a_configuration_that_changes_refuses_what_waits(way: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path, way, ["write"])

    async def story() -> None:
        async with scene.client(forms=False) as client:
            call = asyncio.get_running_loop().create_task(client.call_tool("write", {"word": "t"}))
            while not await asyncio.to_thread(scene.waiting):
                await asyncio.sleep(0.02)
            document = json.loads(scene.config.read_text())
            write_config(scene.config, document.pop("servers"), **document | {"approve": []})
            assert code_of(await call) == "approval_unavailable"
            assert scene.effects == []
            assert code_of(await client.call_tool("write", {"word": "u"})) is None
        assert scene.effects == [["write", "u"]]

    with scene.process():
        run(story(), 60)


@pytest.mark.parametrize("way", ["stdio", "bridge"])
def test_a_decision_for_the_project_holds_in_its_directory_and_for_its_tool(way: str, tmp_path: Path) -> None:
    scene = Scene(tmp_path, way, ["write"])
    there, elsewhere = tmp_path / "there", tmp_path / "elsewhere"
    there.mkdir()
    elsewhere.mkdir()

    async def story() -> None:
        scene.path, scene.decision = there, "project"
        async with scene.client(forms=True) as client:
            assert code_of(await client.call_tool("write", {"word": "1"})) is None
            assert scene.asked == 1
        scene.decision = "deny"
        async with scene.client(forms=True) as client:
            assert code_of(await client.call_tool("write", {"word": "2"})) is None
            assert scene.asked == 1
            assert code_of(await client.call_tool("destroy", {"word": "3"})) == "approval_denied"
        scene.path = elsewhere
        async with scene.client(forms=True) as client:
            assert code_of(await client.call_tool("write", {"word": "4"})) == "approval_denied"
        assert scene.effects == [["write", "1"], ["write", "2"]]

    with scene.process():
        run(story(), 90)
    kept = tmp_path / "state" / "callmux" / "approvals.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert '"1"' not in kept.read_text()


def test_with_credentials_each_principal_decides_for_itself(tmp_path: Path) -> None:
    tokens = {"a": "first-token-of-a-client", "b": "second-token-of-a-client"}
    auth = {"mode": "bearer", "tokens": [{"id": id, "token": token} for id, token in tokens.items()]}
    scene = Scene(tmp_path, "bridge", ["write"], auth=auth)
    asked: list[str] = []

    @contextlib.asynccontextmanager
    async def client(id: str, decision: str) -> AsyncIterator[Client]:
        async def elicited(context: Any, params: Any) -> ElicitResult:
            asked.append(id)
            return ElicitResult(action="accept", content={"decision": decision})

        args = [
            "-m",
            "callmux",
            "bridge",
            "--url",
            f"http://127.0.0.1:{scene.port}/mcp",
            "--token",
            tokens[id],
        ]
        to = StdioServerParameters(command=sys.executable, args=args, env=scene.env, cwd=scene.path)
        async with Client(
            to, mode="legacy", elicitation_callback=elicited, read_timeout_seconds=SECONDS
        ) as made:
            await made.list_tools()
            yield made

    async def story() -> None:
        scene.path = tmp_path / "project"
        scene.path.mkdir()
        async with client("a", "project") as one, client("b", "deny") as other:
            assert code_of(await one.call_tool("write", {"word": "1"})) is None
            assert code_of(await other.call_tool("write", {"word": "2"})) == "approval_denied"
            assert asked == ["a", "b"]
        async with client("a", "deny") as one, client("b", "once") as other:
            assert code_of(await one.call_tool("write", {"word": "3"})) is None
            assert code_of(await other.call_tool("write", {"word": "4"})) is None
            assert asked == ["a", "b", "b"]
        assert [word for _, word in scene.effects] == ["1", "3", "4"]

    with scene.process():
        run(story(), 90)


# ---- a terminal ----------------------------------------------------------------------------------------


class Terminal(terminal.Terminal):
    """A command of a scene on a terminal."""

    def __init__(self, scene: Scene, *words: str, whole: bool = False) -> None:
        super().__init__(scene.env, scene.path, *words, whole=whole)


def shell(scene: Scene, *words: str) -> list[str]:
    if scene.way == "stdio":
        return ["--config", str(scene.config), *words]
    return [*words, "--url", f"http://127.0.0.1:{scene.port}/mcp"]


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("way", ["mcp", "stdio"])
def test_a_call_from_a_shell_asks_at_its_terminal(way: str, tier: str, served: Served) -> None:
    with served(way, tier) as scene:
        words = shell(scene, "call", tier, '{"word": "t"}')
        denied = Terminal(scene, *words)
        denied.types("n", "Allow?")
        code, out = denied.ends()
        assert (code, json.loads(out)["error"]["code"]) == (1, "approval_denied")
        assert f"e: {tier} ({tier})" in denied.shown
        assert scene.effects == []
        allowed = Terminal(scene, *words, "--call-timeout", "20000")
        allowed.types("y", "Allow?")
        code, out = allowed.ends()
        assert (code, json.loads(out)) == (0, {"word": "t"})
        assert scene.effects == [[tier, "t"]]


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("way", ["mcp", "stdio"])
def test_a_call_from_a_script_is_refused_at_once(way: str, tier: str, served: Served) -> None:
    with served(way, tier) as scene:
        done = subprocess.run(
            [sys.executable, "-m", "callmux", *shell(scene, "call", tier, '{"word": "t"}')],
            env=scene.env,
            cwd=scene.path,
            capture_output=True,
            timeout=SECONDS,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (1, "approval_unavailable")
    assert "in a terminal" in error["message"]
    assert scene.effects == []


@pytest.mark.parametrize(("typed", "effects"), [("y", [["write", "t"]]), ("n", [])])
def test_a_person_answers_with_the_command(typed: str, effects: list[Any], tmp_path: Path) -> None:
    scene = Scene(tmp_path, "mcp", ["write"])

    async def story() -> None:
        async with scene.client(forms=False) as client:
            call = asyncio.get_running_loop().create_task(client.call_tool("write", {"word": "t"}))
            while not await asyncio.to_thread(scene.waiting):
                await asyncio.sleep(0.02)
            terminal = Terminal(scene, "approve", whole=True)
            await asyncio.to_thread(terminal.types, typed, "Allow?")
            assert (await asyncio.to_thread(terminal.ends))[0] == 0
            assert "e: write (write)" in terminal.shown
            assert '{"word":"t"}' in terminal.shown
            assert code_of(await call) == (None if effects else "approval_denied")
        assert scene.effects == effects

    with scene.process():
        run(story(), 60)
