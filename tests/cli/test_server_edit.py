"""callmux server add, set and remove"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from callmux.cli import server, server_edit
from callmux.cli.grammar.server import COMMANDS
from callmux.cli.parsing import read
from callmux.errors import ConfigError, ConfigMissing, UsageError
from callmux.setup.processes import CwdChoice

HAND_WRITTEN = """\
{
    "$schema": "./my-schema.json",
    "comment": "tabs   and blanks stay",
    "cacheTtlSeconds": 7,
    "auth": { "mode": "bearer", "tokens": [{"id": "a", "tokenRef": "env:NOT_SET_HERE"}] },
    "servers": {
        "a": { "command": "x", "args": ["1"], "alwaysLoad": ["t"], "futureKey": 1e3 },
        "b": { "url": "https://h/mcp" }
    },
    "fileReferenceRoots": ["./data"]
}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CALLMUX_CONFIG", raising=False)
    path = tmp_path / "c.json"
    path.write_text(HAND_WRITTEN)
    return path


def run(path: Path, *args: str) -> int:
    return server.run(list(args), str(path))


def servers(path: Path) -> Any:
    return json.loads(path.read_text())["servers"]


def test_only_the_edited_entry_changes(config: Path) -> None:
    """C2: the original writes the parsed configuration, without what it does not know, secrets looked up."""
    assert run(config, "set", "a", "--cwd", "/srv") == 0
    assert config.read_text() == HAND_WRITTEN.replace('"futureKey": 1e3', '"futureKey": 1e3, "cwd": "/srv"')
    assert (config.parent / "c.json.bak").read_text() == HAND_WRITTEN
    assert run(config, "set", "a", "--clear-cwd") == 0
    assert config.read_text() == HAND_WRITTEN
    assert run(config, "remove", "b") == 0
    assert servers(config).keys() == {"a"}
    assert run(config, "add", "c", "--", "y") == 0
    assert run(config, "remove", "c") == 0
    assert config.read_text() == HAND_WRITTEN.replace(
        ' },\n        "b": { "url": "https://h/mcp" }\n', " }\n"
    )


def test_a_server_is_added_to_a_new_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "new" / "c.json"
    command = ("add", "gh", "--json", "--env", "K=v=w", "--header-less", "--", "npx", "--x", "-v")
    with pytest.raises(UsageError, match="Unknown server add option"):
        run(path, *command)
    assert not path.exists()
    assert run(path, *[word for word in command if word != "--header-less"]) == 0
    assert list(json.loads(path.read_text())) == ["$schema", "servers", "cacheTtlSeconds", "maxConcurrency"]
    assert servers(path) == {"gh": {"command": "npx", "args": ["--x", "-v"], "env": {"K": "v=w"}}}
    assert json.loads(capsys.readouterr().out) == {
        "action": "added",
        "configPath": str(path),
        "server": {"name": "gh", "command": "npx", "args": ["--x", "-v"], "envKeys": ["K"]},
    }


def test_a_server_at_a_url(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """C7: the original adds commands only."""
    assert (
        run(
            config,
            *("add", "docs", "--url", "https://d/mcp?token=hunter2", "--header", "Authorization: hunter2"),
            *("--transport", "sse", "--forward-header", "X-User", "--disabled", "--prefix", "", "--json"),
        )
        == 0
    )
    assert servers(config)["docs"] == {
        "url": "https://d/mcp?token=hunter2",
        "headers": {"Authorization": "hunter2"},
        "forwardHeaders": ["X-User"],
        "transport": "sse",
        "disabled": True,
        "prefix": "",
    }
    assert "hunter2" not in capsys.readouterr().out


def test_replacing_a_server_is_said(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """C7: the original overwrites without a word."""
    assert run(config, "add", "a", "--", "y") == 0
    assert capsys.readouterr().out.splitlines() == [
        f'Replaced server "a" in {config}',
        "  before: x 1",
        "  now:    y",
        "  the file as it was: c.json.bak",
    ]
    assert servers(config)["a"] == {"command": "y"}
    assert run(config, "add", "a", "--json", "--", "z") == 0
    assert json.loads(capsys.readouterr().out)["replaced"] is True


@pytest.mark.parametrize("name", ["--json-x", "a b", "", "a__b", "x" * 65, "a\n"])
def test_names_that_make_trouble_are_refused(config: Path, name: str) -> None:
    """C7: the original takes any."""
    with pytest.raises(UsageError):
        run(config, "add", name, "--", "y")
    assert config.read_text() == HAND_WRITTEN


def test_an_empty_tools_list_exposes_nothing_in_add_and_set(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """C7: in the original's `add` it means all tools."""
    run(config, "add", "n", "--tools", "", "--", "y")
    run(config, "set", "a", "--tools", "")
    assert (servers(config)["n"]["tools"], servers(config)["a"]["tools"]) == ([], [])
    assert "exposes no tools" in capsys.readouterr().err


def test_the_answer_of_set(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "edit", "a", "--tools", "t, u,", "--call-timeout", "9", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["action"], answer["server"]["tools"]) == ("updated", ["t", "u"])
    assert run(config, "set", "a", "--disable") == 0
    assert capsys.readouterr().out == f'Updated server "a" in {config}\n'
    assert run(config, "set", "a", "--enable", "--env-ref", "T=env:T") == 0
    assert "disabled" not in servers(config)["a"]
    assert servers(config)["a"]["envRefs"] == {"T": "env:T"}


def test_the_answer_of_remove(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(config, "remove", "a", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "action": "removed",
        "configPath": str(config),
        "serverName": "a",
    }
    with pytest.raises(UsageError, match='"a" not found'):
        run(config, "remove", "a")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["add", "g"], "needs a command"),
        (["add", "g", "--"], "command is missing after --"),
        (["add", "g", "--url", "http://h", "--", "x"], "not both"),
        (["add", "g", "--bogus", "--", "x"], "Unknown server add option"),
        (["add", "g", "--env", "hunter2", "--", "x"], "--env must be KEY=VALUE"),
        (["add", "g", "--env", "=hunter2", "--", "x"], "--env must be KEY=VALUE"),
        (["add", "g", "--call-timeout", "abc", "--", "x"], "positive integer"),
        (["add", "g", "--tools", "--", "x"], "missing value for --tools"),
        (["set", "a"], "No server changes requested"),
        (["set", "a", "--disable", "--enable"], "exclude each other"),
        (["set", "a", "--url", "http://h"], "no meaning here"),
        (["set", "aa", "--cwd", "/"], '"aa" not found .*did you mean "a"'),
        (["remove"], "NAME is missing"),
        (["remove", "a", "b"], 'Unknown argument "b"'),
        (["frob"], "Unknown server command"),
    ],
)
def test_mistakes_are_named_and_write_nothing(config: Path, args: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=f"(?i){message}") as error:
        run(config, *args)
    assert "hunter2" not in error.value.message
    assert config.read_text() == HAND_WRITTEN
    assert os.listdir(config.parent) == ["c.json"]


def test_what_would_not_load_is_not_written(config: Path) -> None:
    """Whatever the mistake, and wherever it stands."""
    with pytest.raises(ConfigError, match=r"servers\.a\.envRefs.*nothing was written"):
        run(config, "set", "a", "--env-ref", "K=whatever")
    broken = HAND_WRITTEN.replace('"cacheTtlSeconds": 7', '"cacheTtlSeconds": "7"')
    config.write_text(broken)
    with pytest.raises(ConfigError, match="cacheTtlSeconds must be"):
        run(config, "set", "a", "--cwd", "/")
    assert config.read_text() == broken
    config.write_text("{")
    with pytest.raises(ConfigError, match=r"c\.json: invalid JSON at line 1"):
        run(config, "add", "g", "--", "x")
    assert config.read_text() == "{"


def test_a_broken_server_can_be_removed(config: Path) -> None:
    """Though the file does not load before."""
    config.write_text(HAND_WRITTEN.replace('"command": "x"', '"command": 5'))
    assert run(config, "remove", "a") == 0
    assert servers(config) == {"b": {"url": "https://h/mcp"}}


def test_files_of_other_programs_are_not_edited(config: Path) -> None:
    config.write_text('{"mcpServers": {}}')
    with pytest.raises(UsageError, match='require native callmux config with a top-level "servers" object'):
        run(config, "add", "g", "--", "x")


def test_only_add_makes_a_file(tmp_path: Path) -> None:
    for command in (["set", "a", "--cwd", "/"], ["remove", "a"]):
        with pytest.raises(ConfigMissing, match="No callmux config found"):
            run(tmp_path / "none.json", *command)
    assert os.listdir(tmp_path) == []


def test_the_variable_names_the_file(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """C15: the original edits the default file instead."""
    monkeypatch.setenv("CALLMUX_CONFIG", str(config))
    assert server.run(["remove", "a"], None) == 0
    assert servers(config).keys() == {"b"}
    monkeypatch.setenv("CALLMUX_CONFIG", "/nowhere.json")
    with pytest.raises(ConfigMissing, match="CALLMUX_CONFIG"):
        server.run(["remove", "a"], None)


def test_a_yaml_file_keeps_its_comments(tmp_path: Path) -> None:
    """C17: the original has neither YAML nor comments."""
    path = tmp_path / "c.yaml"
    text = "# mine\nservers:\n  a: # first\n    command: x\n    odd: kept # why\n\n# end\nmetaOnly: true\n"
    path.write_text(text)
    assert run(path, "set", "a", "--cwd", "/srv", "--tools", "t,u") == 0
    added = "why\n    tools:\n      - t\n      - u\n    cwd: /srv\n"
    assert path.read_text() == text.replace("why\n", added)
    assert run(path, "set", "a", "--clear-cwd", "--clear-tools") == 0
    assert path.read_text() == text
    assert run(path, "add", "b", "--url", "https://h/mcp") == 0
    assert path.read_text() == text.replace("# why\n", '# why\n  b:\n    url: "https://h/mcp"\n')
    assert run(path, "remove", "b") == 0
    assert path.read_text() == text
    new = tmp_path / "new.yml"
    assert run(new, "add", "a", "--", "x", "-y") == 0
    assert "servers:\n  a:\n    command: x\n    args:\n      - " in new.read_text()


def test_somebody_may_choose_the_tools(config: Path) -> None:
    async def choose(name: str, entry: object) -> list[str] | None:
        return ["t"]

    async def never(name: str, entry: object) -> list[str] | None:
        raise AssertionError

    def add(choose: Any, *args: str) -> Any:
        assert server_edit.add(read(COMMANDS[0], ["add", *args, "--", "y"]), str(config), choose) == 0
        return servers(config)[args[0]]

    assert add(choose, "n") == {"command": "y", "tools": ["t"]}
    assert add(never, "o", "--json") == {"command": "y"}
    assert add(never, "p", "--no-probe") == {"command": "y"}
    assert add(never, "q", "--tools", "u") == {"command": "y", "tools": ["u"]}


def test_giving_up_the_choice_saves_nothing(config: Path) -> None:
    """C7: the original saves the server all the same."""

    async def interrupted(name: str, entry: object) -> list[str] | None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        server_edit.add(read(COMMANDS[0], ["add", "n", "--", "y"]), str(config), interrupted)
    assert config.read_text() == HAND_WRITTEN


@pytest.mark.parametrize(
    "command",
    [["list"], ["add", "n", "--", "x"], ["set", "a", "--cwd", "/"], ["remove", "a"]],
)
def test_editing_loads_little(config: Path, command: list[str]) -> None:
    """A script may do it a hundred times."""
    heavy = {"asyncio", "aiohttp", "uvicorn", "ruamel.yaml", "questionary", "rich", "tomlkit", "http.client"}
    words = ["--config", str(config), "server", *command]
    code = (
        "import sys; from callmux.cli.main import main; "
        f"assert main({words!r}) == 0; print('loaded', *{heavy!r} & set(sys.modules))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert said.stdout.splitlines()[-1] == "loaded"


@pytest.mark.parametrize("agrees", [True, False])
def test_a_person_is_asked_before_a_server_is_replaced(
    config: Path, capsys: pytest.CaptureFixture[str], agrees: bool
) -> None:
    asked: list[str] = []
    given = read(COMMANDS[0], ["add", "a", "--no-probe", "--", "y"])

    def answer(question: str) -> bool:
        asked.append(question)
        return agrees

    assert server_edit.add(given, str(config), agrees=answer) == 0
    assert asked == ['"a" is there already: x 1. Replace it?']
    assert servers(config)["a"]["command"] == ("y" if agrees else "x")
    assert ("Nothing was changed." in capsys.readouterr().out) is not agrees


@pytest.mark.parametrize("words", [["new", "--", "y"], ["b", "https://h/mcp"], ["a", "--yes", "--", "y"]])
def test_nobody_is_asked_about_a_new_name_the_same_entry_or_with_yes(config: Path, words: list[str]) -> None:
    def answer(question: str) -> bool:
        raise AssertionError(question)

    given = read(COMMANDS[0], ["add", "--no-probe", *words])
    assert server_edit.add(given, str(config), agrees=answer) == 0


def test_an_address_or_an_entry_may_stand_behind_the_name(config: Path) -> None:
    assert run(config, "add", "u", "https://h/x", "--header", "X-A: 1") == 0
    assert run(config, "add", "j", '{"command": "c", "args": ["1"], "own": true}', "--tools", "t") == 0
    assert servers(config)["u"] == {"url": "https://h/x", "headers": {"X-A": "1"}}
    assert servers(config)["j"] == {"command": "c", "args": ["1"], "own": True, "tools": ["t"]}
    with pytest.raises(UsageError, match="one URL"):
        run(config, "add", "u", "https://h/x", "--url", "https://h/y")
    with pytest.raises(ConfigError, match="either"):
        run(config, "add", "n", '{"args": ["1"]}')
    with pytest.raises(UsageError, match="callmux server add f -- python -m mod"):
        run(config, "add", "f", "python", "-m", "mod")


def test_a_well_known_server_gets_the_processes_that_it_needs(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a terminal, too; what the command line says itself counts."""
    memory = ("npx", "-y", "@modelcontextprotocol/server-memory")
    assert run(config, "add", "m", "--", *memory) == 0
    assert servers(config)["m"] == {"command": "npx", "args": list(memory[1:]), "cwdMode": "global"}
    assert 'one process for all directories ("cwdMode": "global")' in capsys.readouterr().err
    assert run(config, "add", "s", "--cwd-mode", "session", "--", *memory) == 0
    assert servers(config)["s"]["cwdMode"] == "session"
    assert capsys.readouterr().err == ""
    assert run(config, "add", "m", "--", *memory) == 0, "the same once more"
    assert servers(config)["m"]["cwdMode"] == "global"


def test_a_server_that_nobody_knows_stays_as_it_was_and_the_flag_is_named(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(config, "add", "o", "--json", "--", "odd") == 0
    out, err = capsys.readouterr()
    assert servers(config)["o"] == {"command": "odd"}
    assert json.loads(out)["server"] == {"name": "o", "command": "odd"}
    assert "--cwd-mode global gives one for all" in err


def test_somebody_may_say_whether_the_directory_matters(config: Path) -> None:
    asked: list[str] = []

    async def decide(name: str, entry: object, base_dir: Path, found: CwdChoice) -> CwdChoice:
        asked.append(name)
        assert base_dir == config.parent
        return CwdChoice("session", "you said so")

    words = ["add", "o", "--", "odd"]
    for _ in range(2):
        assert server_edit.add(read(COMMANDS[0], words), str(config), decide=decide) == 0
        assert servers(config)["o"]["cwdMode"] == "session"
    assert asked == ["o"], "the second time it is known"
