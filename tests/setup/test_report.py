"""What people see before anything is written."""

from __future__ import annotations

from pathlib import Path

from callmux.clients.detect import Machine
from callmux.setup.found import ClientFile, find_servers, how
from callmux.setup.plan import Answers, make_plan
from callmux.setup.probing import ProbeAnswer
from callmux.setup.report import finish_lines, overview, plan_lines
from callmux.setup.scene import Scene
from callmux.setup.servers import Secrets

TEXT = (
    '{"mcpServers": {"git": {"command": "g", "args": ["--token", "hunter2"], "env": {"K_TOKEN": "hunter2"}}}}'
)


def test_the_plan_shows_every_file_and_no_secret() -> None:
    file = ClientFile(kind="claude", path="/claude", text=TEXT)
    found, _ = find_servers([file], "/h")
    answers = Answers(moved=found, clients=[file])
    plan = make_plan(answers, "/c.json", None, Secrets("/s", {}))
    text = "\n".join(plan_lines(plan, answers, {"git": ProbeAnswer(tools=("a", "b"))}, "/c.json"))
    assert "hunter2" not in text
    assert "git                  from Claude Code, 2 tools" in text
    assert "  /s/git-K_TOKEN: a credential, for you only (0600)" in text
    assert '+        "${file:/s/git-arg2}"' in text
    assert "--- /claude (now)" in text
    assert "hunter2" not in how(found[0])
    assert "setup --undo" in finish_lines(plan, Path("/b"))[-1]
    assert "nothing was written" in finish_lines(plan, None)[0]


def test_the_preset_is_recommended_where_there_is_none() -> None:
    def ends(preset: str | None = None) -> str:
        plan = make_plan(Answers(preset=preset), "/c.json", None, Secrets("/s", {}))
        return "\n".join(finish_lines(plan, Path("/b")))

    assert "callmux setup --preset lean" in ends()
    assert "preset" not in ends("lean")


def test_what_stays_is_said_with_the_reason() -> None:
    file = ClientFile(
        kind="vscode", path="/v", text='{"servers": {"w": {"command": "x", "args": ["${workspaceFolder}"]}}}'
    )
    found, _ = find_servers([file], "/h")
    scene = Scene(
        machine=Machine(home=Path("/h"), env={}, platform="linux", cwd=Path("/p")),
        config_path=Path("/c.json"),
        config_text=None,
        files=[file],
        found=found,
        problems=["/x: broken"],
    )
    text = "\n".join(overview(scene, scene.verdicts(["vscode"]), {"gone": "not found"}))
    assert "Not read: /x: broken" in text
    assert '"w" of VS Code: it uses a variable that only VS Code knows' in text
    assert '"gone" does not answer: not found' in text
    assert (
        how(
            find_servers(
                [ClientFile(kind="cursor", path="/", text='{"mcpServers": {"u": {"url": "http://h"}}}')], "/h"
            )[0][0]
        )
        == "http://h"
    )


def test_a_name_of_a_project_s_file_cannot_hide_or_fake_a_line() -> None:
    text = '{"mcpServers": {"a\\u001b[2J\\nDone:\\u202e": {"command": "x", "k\\u001b[1A": 1}}}'
    file = ClientFile(kind="claude", path="/p/.mcp.json", text=text, project="/p")
    found, _ = find_servers([file], "/h")
    scene = Scene(
        machine=Machine(home=Path("/h"), env={}, platform="linux", cwd=Path("/p")),
        config_path=Path("/c.json"),
        config_text=None,
        files=[file],
        found=found,
        problems=["/x: \x1b[2J"],
    )
    lines = overview(scene, scene.verdicts(["claude"]), {"gone\n": "\x1b[3A"})
    assert len(lines) == 4
    assert all(line.isprintable() for line in lines)
    assert '"a\\x1b[2J\\x0aDone:\\x202e" of Claude Code' in lines[1]
    plan = make_plan(Answers(moved=found, clients=[file]), "/c.json", None, Secrets("/s", {}))
    shown = plan_lines(plan, Answers(moved=found, clients=[file]), {}, "/c.json")
    assert all(line.isprintable() for text in shown for line in text.split("\n"))
