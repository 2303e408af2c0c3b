"""A meta-tool is one file and one row: added to a copy of the tree, everything treats it as its row says."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import toons

import callmux as package
from tests.support import real_loop

from .harness import callmux, environment, error_of, python_server, stdio, text_of, write_config

SOURCE = Path(package.__file__).parent

MODULE = '''
"""Made by a test."""

from callmux.metatools.children import run_all, tally
from callmux.metatools.definitions import OBJECT, OUTPUT_FORMAT, TEXT, closed, definition
from callmux.metatools.entries import output_format
from callmux.plan import Plan, ToolCall
from callmux.rings.envelope import success

NAME = "callmux_%(word)s"
DEFINITION = definition(
    NAME, "Call a tool twice.", closed({"tool": TEXT, "outputFormat": OUTPUT_FORMAT}, "tool"))


def parse(fields):
    arguments = fields.members.get("arguments")
    call = ToolCall(spelling=fields.text("tool"), arguments=arguments, timeout_ms=700_000)
    return Plan(name=NAME, calls=(call, call), output_format=output_format(fields))


async def run(plan, engine, context):
    if not %(calls)s:
        return success({"would": [call.spelling for call in plan.calls] * 400})
    outcomes = await run_all(plan.calls, engine, context)
    return success(tally(outcomes, [outcome.shown() for outcome in outcomes], 0))
'''
ADVICE = "- A call that must be made twice: `callmux_twice`."
ROWS = f"""
    "twice": Traits(calls=True, entries="tool", tells_of_calls=True, advice="{ADVICE}"),
    "twice_dry": Traits(harmless=True, shielded=False, formatted=False),
}}
"""


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with callmux in it, and two meta-tools more: one that calls, and one that calls nothing."""
    folder = tmp_path_factory.mktemp("scratch")
    copy = folder / "callmux"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    table = copy / "metatools" / "table.py"
    text = table.read_text()
    end = text.index("\n}\n", text.index("ROWS = {"))
    table.write_text(text[:end] + ROWS + text[end + 3 :])
    (copy / "metatools" / "twice.py").write_text(MODULE % {"word": "twice", "calls": True})
    (copy / "metatools" / "twice_dry.py").write_text(MODULE % {"word": "twice_dry", "calls": False})
    return folder


def tried(scratch: Path, code: str) -> Any:
    """What a piece of code in that tree prints, as JSON."""
    env = os.environ | {"PYTHONPATH": str(scratch)}
    said = subprocess.check_output([sys.executable, "-c", code], env=env, timeout=30, text=True)
    return json.loads(said)


@real_loop()
async def test_clients_see_it_and_its_answers_are_shortened_and_rendered_as_its_row_says(
    scratch: Path, tmp_path: Path
) -> None:
    large = {"content": [{"type": "text", "text": "x" * 90_000}]}
    script = tmp_path / "script.json"
    answer = '{"jsonrpc":"2.0","id":$ID,"result":' + json.dumps(large) + "}"
    pages = [[json.dumps({"name": name, "inputSchema": {"type": "object"}}) for name in ("big", "small")]]
    script.write_text(json.dumps({"pages": pages, "answers": {"big": [answer]}}))
    server = stdio(python_server("scripted_server.py", script, tmp_path / "log"))
    config = write_config(tmp_path / "callmux.json", {"s": server}, maxCallsPerRequest=1)
    wider = write_config(tmp_path / "wider.json", {"s": server})
    env = {"PYTHONPATH": str(scratch)}

    async with callmux(tmp_path, "--config", wider, env=env) as client:
        await client.initialize()
        names = [tool["name"] for tool in await client.tools()]
        assert names.index("callmux_twice") == names.index("callmux_status") + 1
        small = (await client.call("callmux_twice", {"tool": "s__small"}))["structuredContent"]
        assert (small["succeeded"], small["failed"]) == (2, 0)
        shown = await client.call("callmux_twice", {"tool": "s__small", "outputFormat": "toon"})
        assert toons.loads(text_of(shown))["succeeded"] == 2
        assert "structuredContent" not in shown
        big = json.loads(text_of(await client.call("callmux_twice", {"tool": "s__big"})))
        assert big["_callmux"]["tool"] == "callmux_twice"
        # The other takes no format, and what it says is asked for in its size.
        asked = {"tool": "t" * 500, "outputFormat": "toon"}
        dry = (await client.call("callmux_twice_dry", asked))["structuredContent"]
        assert len(dry["would"]) == 800
    async with callmux(tmp_path, "--config", config, env=env) as client:
        await client.initialize()
        refused = error_of(await client.call("callmux_twice", {"tool": "s__small"}))
        assert (refused["code"], refused["details"]["field"]) == ("invalid_arguments", "tool")


def test_a_bridge_gives_it_the_time_of_its_calls_and_repeats_only_what_is_harmless(scratch: Path) -> None:
    code = """
import json
from msgspec import Raw
from callmux.bridge import tool_call
from callmux.bridge.budget import budget
from callmux.bridge.listings import Listings
shown = {}
for name in ("callmux_twice", "callmux_twice_dry"):
    call = tool_call.BridgedCall(name=name, arguments=Raw(b'{"tool":"s__t"}'))
    plan = tool_call.plan_of(call)
    shown[name] = [budget(plan, None).seconds, Listings().is_safe(name, plan)]
print(json.dumps(shown))
"""
    assert tried(scratch, code) == {"callmux_twice": [1405.0, False], "callmux_twice_dry": [185.0, True]}


def test_a_shell_verb_tells_by_its_exit_code_how_the_calls_went(scratch: Path) -> None:
    code = """
import json
from callmux.shell.outcome import exit_code, read_result
failed = read_result({"content": [], "structuredContent": {"status": "partial", "failedIndexes": [1]}})
print(json.dumps([exit_code(name, failed) for name in ("callmux_twice", "callmux_twice_dry", "s__t")]))
"""
    assert tried(scratch, code) == [1, 0, 0]


def test_help_and_the_instructions_of_agents_name_it(scratch: Path, tmp_path: Path) -> None:
    def said(*words: str) -> str:
        env = environment(tmp_path, "none") | {"PYTHONPATH": str(scratch)}
        line = [sys.executable, "-m", "callmux", *words]
        return subprocess.check_output(line, env=env, cwd=tmp_path, timeout=30, text=True)

    assert "callmux_status, callmux_twice, callmux_twice_dry." in " ".join(said("--help").split())
    assert ADVICE in said("instructions").splitlines()
