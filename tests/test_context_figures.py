"""The README and docs/context.md quote what was measured, and what was measured still holds."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "benchmarks" / "context.py"
SECONDS = 120
PAGES = ["README.md", "docs/context.md", "docs/context-read.svg", "docs/context-catalogues.svg"]


def run(*arguments: str | Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)], capture_output=True, text=True, timeout=SECONDS
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The pages that quote figures, to be changed."""
    (tmp_path / "docs").mkdir()
    for page in PAGES:
        shutil.copy(ROOT / page, tmp_path / page)
    return tmp_path


def test_the_pages_are_what_the_recorded_figures_give() -> None:
    assert run("--check") == (0, "")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_with_another_figure_is_found(copy: Path, page: str) -> None:
    text = (copy / page).read_text("utf-8")
    figure = re.findall(r"[0-9]{1,3}(?:,[0-9]{3})+" if page.endswith(".md") else "figures [0-9a-f]{16}", text)
    (copy / page).write_text(text.replace(figure[-1], "figures 9,999"), "utf-8")
    code, said = run("--check", "--root", copy)
    assert code == 1
    assert said.startswith(page)


def test_the_readme_quotes_no_figure_that_the_page_does_not_have() -> None:
    readme = (ROOT / "README.md").read_text("utf-8").split("## What it saves")[1].split("\n## ")[0]
    page = (ROOT / "docs" / "context.md").read_text("utf-8")
    figures = re.findall(r"[0-9]{1,3}(?:,[0-9]{3})+|\b[0-9]{2,}\b", readme)
    assert len(figures) >= 10
    assert [figure for figure in figures if not re.search(rf"(?<![\d,]){figure}(?![\d,])", page)] == []


@pytest.mark.parametrize("task", ["release-notes", "two-calls", "planning"])
def test_a_task_done_again_costs_what_is_recorded(task: str) -> None:
    """Through a real callmux, whose word in a definition may change, but not what an agent has to do."""
    assert run("--compare", task) == (0, "")


def test_no_definitions_are_larger_than_those_of_the_original() -> None:
    figures = json.loads((SCRIPT.parent / "replay" / "figures.json").read_text("utf-8"))
    sizes = figures["catalogues"]
    assert len(sizes) == 9
    for key, by in sizes.items():
        for mode in ("balanced", "aggressive"):
            ours, other = by[mode], by[f"{mode}, npm"]
            assert ours["tools"] == other["tools"], key
            assert ours["size"] <= other["size"], (key, mode)
            assert ours["tokens"] <= other["tokens"], (key, mode)


def test_no_machine_is_named_in_a_recording() -> None:
    for path in (SCRIPT.parent / "replay" / "traces").glob("*.json"):
        text = path.read_text("utf-8")
        assert not re.search(r"/(?:tmp|root|work|Users|home/(?!ada/))\S", text), path.name


@pytest.mark.usefixtures("replay")
def test_every_turn_reads_the_definitions_and_all_before_it() -> None:
    from replay.counting import Turn, cost, definitions, tokens

    tools = [{"name": "t", "description": "Does it", "inputSchema": {"type": "object"}, "annotations": {}}]
    turns = [Turn(["ask one", "ask two"], ["told one", "told two"]), Turn(["ask"], ["told"])]
    counted = cost(tools, turns)
    defined = definitions(tools)
    first = sum(map(tokens, ["ask one", "ask two", "told one", "told two"]))
    second = sum(map(tokens, ["ask", "told"]))
    assert (counted.calls, counted.turns, counted.definitions) == (3, 2, defined)
    assert counted.new == defined + first + second
    assert counted.read == defined + (defined + first) + (defined + first + second)


@pytest.mark.usefixtures("replay")
def test_what_differs_from_run_to_run_makes_no_difference() -> None:
    from replay.counting import tokens

    refs = ["9f1c2d3e-4b5a-4c6d-8e7f-0a1b2c3d4e5f", "11111111-1111-4111-8111-111111111111"]
    assert tokens(f'"r_{refs[0]}"') == tokens(f'"r_{refs[1]}"')

    assert tokens('{"durationMs":7}') == tokens('{"durationMs":123456789}')
    assert tokens("totalDurationMs: 7") == tokens("totalDurationMs: 1234567")


@pytest.mark.usefixtures("replay")
def test_both_ways_go_on_with_the_same_values() -> None:
    from replay.answers import unwrapped, value_of

    said: list[tuple[Any, Any]] = [
        ({"content": [], "structuredContent": {"content": "a\nb"}}, "a\nb"),
        ({"content": [{"type": "text", "text": '{"n": 1}'}], "structuredContent": {"n": 1}}, {"n": 1}),
        ({"content": [], "structuredContent": {"n": 1}}, {"n": 1}),
        ({"n": 1}, {"n": 1}),
        ("text", "text"),
    ]
    assert [unwrapped(shown) for shown, _ in said] == [value for _, value in said]
    assert value_of("rows[2]{a,b}:\n  1,x\n  2,y") == {"rows": [{"a": 1, "b": "x"}, {"a": 2, "b": "y"}]}
    assert value_of("Note: a text\nof two lines") == "Note: a text\nof two lines"


@pytest.mark.usefixtures("replay")
def test_plain_answers_are_read_under_their_headings_and_end_where_something_was_left_out() -> None:
    from replay.answers import Answer, answer_of

    def plain(*texts: str) -> dict[str, Any]:
        return {"content": [{"type": "text", "text": text} for text in texts]}

    told = 'completed: 3 succeeded, 0 failed; each result under a line "=== [index] tool"'
    first, second = "\n=== [0] a__t: 8 bytes\n", "\n=== [1] b__t: 2 blocks: 1 byte, 1 byte\n"
    assert answer_of(plain(told, first, '{"n": 1}', second, "x", "y")) == Answer(({"n": 1}, "x\ny"))
    more = (
        f'{told}\nThe first 1 of 2 items of "results". callmux_get_result {{"ref":"r_1"}} goes on after that.'
    )
    assert answer_of(plain(more, first, "x", "=== [1] b__t: left out\n")) == Answer(("x",), "r_1")
    with pytest.raises(RuntimeError, match="not every call succeeded"):
        answer_of(plain("failed: 1 step succeeded, failedStep 1", first, "x", second, "y"))


@pytest.mark.usefixtures("replay")
def test_a_client_that_keeps_the_order_asks_for_all_stages_in_one_turn() -> None:
    from replay.recording import Call
    from replay.ways import Direct, InOrder, Step

    first, second, third = Call("s", "one"), Call("s", "two"), Call("s", "three")
    for kind, turns in ((Direct, 2), (InOrder, 1)):
        way = kind(lambda call: call.tool, [], together=True)
        assert way.stages([[first, second], [third]]) == [["one", "two"], ["three"]]
        assert len(way.turns) == turns
        way.chain([Step(first), Step(second)])
        assert len(way.turns) == 2 * turns


@pytest.mark.usefixtures("replay")
def test_the_four_other_tasks_need_other_servers_and_no_figure_of_the_page_has_them() -> None:
    from replay.others import OTHER_SERVERS, OTHERS
    from replay.others.report import load
    from replay.recording import Recording, listings
    from replay.tasks import TASKS

    used = {call["server"] for name in OTHERS for call in Recording.load(name).calls}
    assert used == set(listings(OTHER_SERVERS))
    assert not used & set(listings())
    assert list(load()) == list(OTHERS)
    assert not set(OTHERS) & set(TASKS)
    for ways in load().values():
        assert ways["lean"].read < ways["several a turn, in order"].read


@pytest.mark.usefixtures("replay")
def test_structured_content_under_its_only_key_is_what_a_call_says() -> None:
    from replay.answers import bare

    assert bare({"result": "a text"}) == bare({"content": "a text"}) == "a text"
    assert bare({"result": [1]}) == [1]
    assert bare({"result": "a", "more": 1}) == {"result": "a", "more": 1}


@pytest.mark.usefixtures("replay")
def test_an_agent_knows_of_an_index_what_stands_in_it_and_nothing_more() -> None:
    from replay.ways import index_of, keys_in

    text = (
        "Call one tool.\n\nIndex of tools. ...\n## files__:\nread(path, head?:int) Read a file\n"
        "edit(edits:{newText, oldText}[], path)\n## git__ (names only):\nlog, show"
    )
    index = index_of([text])
    assert list(index) == ["files__read", "files__edit"]
    assert keys_in({"edits": [{"newText": "a", "oldText": "b"}]}) == {"edits", "newText", "oldText"}


@pytest.mark.usefixtures("replay")
def test_what_a_client_cuts_and_puts_aside_does_not_reach_its_model() -> None:
    from replay.fitted import reach

    from callmux.router.personas import Persona

    schema = {"type": "object", "properties": {"description": {"type": "string", "description": "x" * 30}}}
    loaded = {"name": "a", "description": "one two", "inputSchema": schema}
    tools = [loaded | {"_meta": {"anthropic/alwaysLoad": True}}, loaded | {"name": "b"}]
    size = len(json.dumps(schema, separators=(",", ":")))
    cutting = Persona("p", "P", defers=True, instructions=4, description=3, schema=size - 1)
    left = reach(cutting, "abcdef", tools)
    bare = {"type": "object", "properties": {"description": {"type": "string"}}}
    assert left.instructions == "abcd"
    assert left.tools == [{"name": "a", "description": "one", "inputSchema": bare}, {"name": "b"}]
    assert left.aside == {"b": {"name": "b", "description": "one", "inputSchema": bare}}
    whole = reach(Persona("q", "Q", schema=size), "abcdef", tools)
    assert (whole.instructions, whole.tools, whole.aside) == ("abcdef", [loaded, loaded | {"name": "b"}], {})


@pytest.mark.usefixtures("replay")
def test_a_client_done_again_in_simulation_costs_what_is_recorded(tmp_path: Path) -> None:
    from replay.figures import Figures
    from replay.measuring import WITH, measure_persona
    from replay.tasks import TASKS

    from callmux.router.personas import TABLE

    name, recorded = "two-calls", Figures.load().personas
    assert list(recorded) == [persona.name for persona in TABLE]
    for persona in (row for row in TABLE if row.name in ("claude-code", "codex")):
        command = [sys.executable, "-m", "callmux"]
        found = measure_persona(name, TASKS[name], persona, command, tmp_path)
        assert list(found) == list(recorded[persona.name])
        for mode, fit in found.items():
            before = recorded[persona.name][mode][name]
            assert (fit.turns, fit.visible) == (before.turns, before.visible), mode
            assert fit.read == pytest.approx(before.read, rel=0.02), mode
        assert found[WITH].visible


@pytest.mark.usefixtures("replay")
def test_a_task_from_a_shell_costs_what_is_recorded(tmp_path: Path) -> None:
    from replay.figures import Figures
    from replay.measuring import SHELL, measure_shell
    from replay.tasks import TASKS

    before = Figures.load().tasks["two-calls"][SHELL]
    found = measure_shell("two-calls", TASKS["two-calls"], tmp_path)
    assert (found.calls, found.turns) == (before.calls, before.turns)
    assert found.read == pytest.approx(before.read, rel=0.02)


@pytest.mark.usefixtures("replay")
def test_calls_from_a_shell_are_the_lines_that_the_skill_shows() -> None:
    from replay.shell import words

    call = {"tool": "a__t", "arguments": {"n": 5}}
    assert words("a__t", {"n": 5}) == ["call", "a__t", '{"n":5}']
    assert words("callmux_parallel", {"calls": [call]}) == ["parallel", 'a__t {"n":5}']
    assert words("callmux_pipeline", {"steps": [call]}) == ["pipeline", 'a__t {"n":5}']
    items = [{"arguments": {"n": 5}}, {"arguments": {"n": 6}}]
    assert words("callmux_batch", {"tool": "a__t", "items": items}) == [
        "batch",
        'a__t {"n":5}',
        'a__t {"n":6}',
    ]
