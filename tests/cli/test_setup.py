"""callmux setup without questions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from callmux.cli import setup
from callmux.clients.changes import ChangeFailed
from callmux.config.load import load_config
from callmux.errors import UsageError
from callmux.secrets.vault import vault_of
from callmux.setup.plan import SetupError
from tests.cli.machine import GIT, move_in, probe

CLAUDE = f'{{\n "n": 1,\n "mcpServers": {{"git": {GIT}, "bad": {{"command": "sh", "args": ["b"]}}}}\n}}'
CODEX = '# mine\n[mcp_servers.time]\ncommand = "sh"\nargs = ["t"]\n'


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory with two clients, and a project with one server."""
    move_in(tmp_path, monkeypatch)
    (tmp_path / "p").mkdir()
    (tmp_path / ".codex").mkdir()
    monkeypatch.chdir(tmp_path / "p")
    (tmp_path / ".claude.json").write_text(CLAUDE)
    (tmp_path / ".codex" / "config.toml").write_text(CODEX)
    (tmp_path / "p" / ".mcp.json").write_text('{"mcpServers": {"web": {"url": "http://h/mcp"}}}')
    return tmp_path


def files(directory: Path) -> dict[str, bytes]:
    """Every file but the backups."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and "backups" not in path.parts
    }


def run(*args: str) -> int:
    return setup.run(list(args), None, probe)


def test_servers_move_and_come_back_byte_for_byte(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(home)
    assert run("--yes", "--json", "--cache", "60", "--meta-only") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["servers"], result["clients"]) == (["git", "time"], ["claude", "codex"])
    assert result["notApproved"] == [{"name": "web", "file": str(home / "p" / ".mcp.json")}]
    assert result["skipped"] == [{"name": "bad", "problem": "broken"}]
    config_path = home / ".config" / "callmux" / "config.json"
    config = json.loads(config_path.read_text())
    assert (config["cacheTtlSeconds"], config["metaOnly"]) == (60, True)
    secret = home / ".config" / "callmux" / "secrets" / "git-A_TOKEN"
    assert config["servers"]["git"]["envRefs"] == {"A_TOKEN": f"file:{secret}"}
    assert (secret.read_text(), secret.stat().st_mode & 0o777) == ("hunter2\n", 0o600)
    assert secret.parent.stat().st_mode & 0o777 == 0o700
    assert set(json.loads((home / ".claude.json").read_text())["mcpServers"]) == {"bad", "callmux"}
    assert (home / "p" / ".mcp.json").read_bytes() == before["p/.mcp.json"]
    assert run("--undo") == 0
    assert files(home) == before
    assert not secret.parent.exists()
    with pytest.raises(ChangeFailed, match="no setup to undo"):
        run("--undo")


def test_a_dry_run_shows_everything_and_writes_nothing(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(home)
    assert run("--dry-run") == 0
    out = capsys.readouterr().out
    assert "git                  from Claude Code\n" in out
    assert "No server was started to ask for its tools: --probe does." in out
    assert "Left where it is, and not started: web of " in out
    assert run("--dry-run", "--probe") == 0
    out = capsys.readouterr().out
    assert "git                  from Claude Code, 2 tools" in out
    assert 'Left out: "bad" does not answer: broken' in out
    assert "Nothing was written: --yes writes it." in out
    assert "hunter2" not in out
    assert files(home) == before
    assert not (home / ".config").exists()


def test_a_second_setup_changes_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("--yes")
    before = files(home)
    run("--yes")
    assert "as it should be already" in capsys.readouterr().out
    assert files(home) == before


def test_servers_of_a_projects_file_move_after_a_yes_for_that_file(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(home)
    path = home / "p" / ".mcp.json"
    entry = {"command": "sh", "args": ["."]}
    path.write_text(json.dumps({"mcpServers": {"files": entry}}))
    assert run("--yes", "--project-file", ".mcp.json") == 0
    out = capsys.readouterr().out
    assert f"{path} belongs to the project: others who work on it see the change, and lose files" in out
    assert f'"files" was for {home / "p"} only: behind callmux every client has it' in out
    servers = json.loads((home / ".config" / "callmux" / "config.json").read_text())["servers"]
    assert servers["files"] == {**entry, "cwd": str(home / "p"), "cwdMode": "global"}
    assert json.loads(path.read_text()) == {"mcpServers": {}}
    run("--undo")
    path.write_bytes(before["p/.mcp.json"])
    assert files(home) == before


def test_a_client_without_callmux_keeps_its_servers(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are copied: the clients with callmux have them, too."""
    assert run("--yes", "--clients", "codex") == 0
    assert (
        '"git" is copied: Claude Code was not chosen for callmux, so its own entry stays'
        in capsys.readouterr().out
    )
    assert (home / ".claude.json").read_text() == CLAUDE
    servers = json.loads((home / ".config" / "callmux" / "config.json").read_text())["servers"]
    assert set(servers) == {"git", "time"}
    assert "mcp_servers.time" not in (home / ".codex" / "config.toml").read_text()


def test_a_denied_tool_stays_denied(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By Codex alone: with Claude Code, which does not deny it, the server stays."""
    path = home / ".codex" / "config.toml"
    path.write_text(CODEX + 'disabled_tools = ["x"]\n')
    run("--dry-run", "--json")
    shown = json.loads(capsys.readouterr().out)
    assert shown["servers"] == ["git", "bad"]
    assert [item["name"] for item in shown["stays"]] == ["time"]
    assert "Codex denies its tool" in shown["stays"][0]["reason"]
    run("--yes", "--clients", "codex", "--move", "time")
    servers = json.loads((home / ".config" / "callmux" / "config.json").read_text())["servers"]
    assert servers["time"] == {"command": "sh", "args": ["t"], "denyTools": ["x"]}


def test_a_rule_in_claude_codes_settings_finds_the_tool_by_its_own_name(home: Path) -> None:
    (home / ".claude").mkdir()
    rules = {"permissions": {"deny": ["mcp__git__x"], "ask": ["mcp__time__y"]}}
    (home / ".claude" / "settings.json").write_text(json.dumps(rules))
    run("--yes", "--clients", "claude")
    servers = json.loads((home / ".config" / "callmux" / "config.json").read_text())["servers"]
    assert list(servers) == ["git"]
    assert servers["git"]["denyTools"] == ["x"]


def test_where_callmux_may_not_run_the_servers_stay(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / ".claude").mkdir()
    rules = {"allowedMcpServers": [{"serverName": "git"}, {"serverName": "bad"}]}
    (home / ".claude" / "settings.json").write_text(json.dumps(rules))
    run("--yes", "--json")
    result = json.loads(capsys.readouterr().out)
    assert result["clients"] == ["codex"]
    assert "Claude Code gets no callmux" in result["notes"][0]
    assert (home / ".claude.json").read_text() == CLAUDE


def test_a_client_that_has_callmux_already_counts_even_where_it_is_not_chosen(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would get the tool that it denies."""
    document = json.loads(CLAUDE)
    document["mcpServers"]["callmux"] = {"command": "callmux"}
    (home / ".claude.json").write_text(json.dumps(document))
    (home / ".claude").mkdir()
    (home / ".claude" / "settings.json").write_text('{"permissions": {"deny": ["mcp__time"]}}')
    run("--dry-run", "--json", "--clients", "codex")
    assert "time" in [item["name"] for item in json.loads(capsys.readouterr().out)["stays"]]


def test_a_server_of_one_project_moves_when_it_is_asked_for(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `claude mcp add` writes it for the directory that one is in."""
    document = {"projects": {str(home / "p"): {"mcpServers": {"local": {"command": "sh", "args": ["l"]}}}}}
    (home / ".claude.json").write_text(json.dumps(document))
    run("--dry-run")
    assert 'Left where it is: "local" of Claude Code' in capsys.readouterr().out
    run("--yes", "--json")
    result = json.loads(capsys.readouterr().out)
    assert result["servers"] == ["time"]
    assert [item["name"] for item in result["notChosen"]] == ["local"]
    run("--yes", "--move", "local", "--json")
    servers = json.loads((home / ".config" / "callmux" / "config.json").read_text())["servers"]
    assert (servers["local"]["cwd"], servers["local"]["cwdMode"]) == (str(home / "p"), "global")


def test_a_client_that_forbids_what_is_behind_callmux_already_gets_none(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / ".config" / "callmux" / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"servers": {"time": {"command": "sh", "args": ["t"]}}}')
    text = CODEX + "enabled = false\n"
    (home / ".codex" / "config.toml").write_text(text)
    run("--yes", "--json")
    result = json.loads(capsys.readouterr().out)
    assert result["clients"] == ["claude"]
    assert 'Codex gets no callmux: "time" is behind callmux already' in result["notes"][0]
    assert (home / ".codex" / "config.toml").read_text() == text


def test_what_an_organization_forbids_is_not_added(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / ".claude").mkdir()
    (home / ".claude" / "settings.json").write_text('{"deniedMcpServers": [{"serverName": "mine"}]}')
    run("--yes", "--move", "none", "--server", "mine=sh -c x", "--server", "web=http://h")
    assert '"mine" is not added: Claude Code: ' in capsys.readouterr().out
    config = json.loads((home / ".config" / "callmux" / "config.json").read_text())
    assert list(config["servers"]) == ["web"]


def test_a_shared_listener_is_reached_through_bridges(home: Path) -> None:
    run("--yes", "--no-probe", "--listener", "http://127.0.0.1:4860", "--clients", "claude", "--move", "git")
    servers = json.loads((home / ".claude.json").read_text())["mcpServers"]
    assert set(servers) == {"bad", "callmux"}
    args = servers["callmux"]["args"]
    assert args[-4:] == ["bridge", "--url", "http://127.0.0.1:4860/mcp", "--autostart"]
    assert (home / ".codex" / "config.toml").read_text() == CODEX


def test_only_new_servers_or_only_moved_ones(home: Path) -> None:
    """In the original one pick from its list is mandatory. Weak spot C6 of callmux (npm)."""
    run("--yes", "--move", "none", "--clients", "none", "--add", "filesystem=.", "--server", "a=sh -c 'x y'")
    config = json.loads((home / ".config" / "callmux" / "config.json").read_text())
    assert config["servers"]["a"] == {"command": "sh", "args": ["-c", "x y"]}
    assert config["servers"]["filesystem"]["args"][-1] == os.getcwd()
    assert (home / ".claude.json").read_text() == CLAUDE


def test_credentials_can_stay_in_the_environment(home: Path) -> None:
    run("--yes", "--no-probe", "--secrets", "env", "--move", "git", "--add", "brave-search")
    servers = json.loads((home / ".config" / "callmux" / "config.json").read_text())["servers"]
    assert servers["git"]["envRefs"] == {"A_TOKEN": "env:A_TOKEN"}
    assert servers["brave-search"]["envRefs"] == {"BRAVE_API_KEY": "env:BRAVE_API_KEY"}
    assert not (home / ".config" / "callmux" / "secrets").exists()


def test_credentials_can_be_kept_by_name(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CALLMUX_KEYRING", "off")
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    run("--yes", "--no-probe", "--secrets", "keyring", "--move", "git")
    servers = json.loads((home / ".config" / "callmux" / "config.json").read_text())["servers"]
    assert servers["git"]["envRefs"] == {"A_TOKEN": "keyring:git-A_TOKEN"}
    assert not (home / ".config" / "callmux" / "secrets").exists()
    value = json.loads(CLAUDE)["mcpServers"]["git"]["env"]["A_TOKEN"]
    assert vault_of(os.environ).get("git-A_TOKEN") == value
    said = capsys.readouterr().out
    assert "Kept git-A_TOKEN in files of mode 0600" in said
    assert value not in said


def test_secrets_that_stand_in_the_configuration_already_are_named(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = home / "mine.json"
    path.write_text('{"servers": {"old": {"command": "sh", "env": {"OLD_TOKEN": "hunter2-hunter2"}}}}')
    assert setup.run(["--yes", "--no-probe", "--move", "git"], str(path), probe) == 0
    said = capsys.readouterr().out
    assert '(old: env.OLD_TOKEN): "callmux secret move" moves them out' in said


def test_another_configuration_is_named_in_the_entries(home: Path) -> None:
    path = home / "mine.json"
    assert setup.run(["--yes", "--no-probe", "--move", "git"], str(path), probe) == 0
    args = json.loads((home / ".claude.json").read_text())["mcpServers"]["callmux"]["args"]
    assert args[-2:] == ["--config", str(path)]


def test_a_configuration_in_yaml_keeps_its_comments_and_comes_back(home: Path) -> None:
    path = home / "team.yaml"
    path.write_text("# ours\nservers:\n  old: {command: sh} # first\n")
    assert setup.run(["--yes", "--move", "git", "--cache", "60"], str(path), probe) == 0
    after = path.read_text()
    assert after.startswith("# ours\nservers:\n  old: {command: sh} # first\n  git:\n")
    assert "cacheTtlSeconds: 60" in after
    assert setup.run(["--undo"], None) == 0
    assert path.read_text() == "# ours\nservers:\n  old: {command: sh} # first\n"


def test_a_new_configuration_may_be_yaml(home: Path) -> None:
    path = home / "new.yml"
    assert setup.run(["--yes", "--move", "git"], str(path), probe) == 0
    assert list(load_config(path, {}, resolve=False).config.servers) == ["git"]


def test_a_file_changed_by_its_client_since_keeps_what_that_wrote(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--yes")
    path = home / ".claude.json"
    path.write_text(path.read_text().replace('"n": 1', '"n": 2'))
    assert run("--undo", "--json") == 0
    assert json.loads(path.read_text()) == {**json.loads(CLAUDE), "n": 2}
    assert str(path) in capsys.readouterr().out


def test_without_a_terminal_it_fails_and_says_what_to_do(home: Path) -> None:
    """The original exits with 0 and has done nothing. Weak spot C16 of callmux (npm)."""
    before = files(home)
    with pytest.raises(UsageError, match="--yes"):
        run()
    assert files(home) == before


def test_a_broken_configuration_is_never_written_over(home: Path) -> None:
    path = home / ".config" / "callmux" / "config.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"servers": {"x": {}}}')
    with pytest.raises(SetupError, match="--fresh"):
        run("--yes")
    assert run("--yes", "--fresh") == 0
    assert "x" not in json.loads(path.read_text())["servers"]
    assert run("--undo") == 0
    assert path.read_text() == '{"servers": {"x": {}}}'


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--move", "gitt"], 'did you mean "git"'),
        (["--move", "web"], r"--project-file .*/p/\.mcp\.json says that its commands may run"),
        (["--project-file", "x"], "not a file of this project"),
        (["--project-file", "x", "--no-project"], "exclude each other"),
        (["--add", "gitt"], 'did you mean "git"'),
        (["--add", "filesystem"], "needs a place"),
        (["--server", "x"], "NAME=COMMAND"),
        (["--daemon"], "needs --listener"),
        (["--listener", "nota"], "must be a valid URL"),
        (["--clients", "emacs"], "emacs"),
        (["--secrets", "plain"], "file, env or keyring"),
    ],
)
def test_usage(args: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        run("--yes", *args)


def test_the_list_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--list") == 0
    assert "filesystem" in capsys.readouterr().out


def test_it_loads_little() -> None:
    """Those of the dialogue are for people at a terminal only."""
    code = "import sys, callmux.cli.main, callmux.cli.setup; print(*sys.modules)"
    loaded = set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split())
    assert "callmux.cli.setup" in loaded
    heavy = {"rich", "questionary", "prompt_toolkit", "tomlkit", "aiohttp", "uvicorn", "starlette", "jinja2"}
    assert not heavy & loaded


def test_a_new_configuration_names_the_schema_beside_it_and_an_old_one_stays(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--yes", "--move", "git")
    out = capsys.readouterr().out
    folder = home / ".config" / "callmux"
    assert json.loads((folder / "config.json").read_text())["$schema"] == "./config.schema.json"
    assert "properties" in json.loads((folder / "config.schema.json").read_text())
    assert f"  {folder / 'config.schema.json'}: what it may hold, for editors" in out
    assert '"properties"' not in out
    run("--undo")
    assert not folder.joinpath("config.schema.json").exists()
    (folder / "config.json").write_text('{"servers": {}}')
    run("--yes", "--move", "git")
    assert "$schema" not in json.loads((folder / "config.json").read_text())
    assert not folder.joinpath("config.schema.json").exists()


def test_each_server_gets_the_processes_that_it_needs_and_the_reason_is_told(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody knows `git` and `time` here: what they were started with is no package."""
    added = ("--add", "memory", "--add", f"filesystem={home}", "--add", "sequential-thinking")
    assert run("--yes", *added) == 0
    out = capsys.readouterr().out
    servers = json.loads((home / ".config" / "callmux" / "config.json").read_text())["servers"]
    assert {name: entry.get("cwdMode") for name, entry in servers.items()} == {
        "git": None,
        "time": None,
        "memory": "global",
        "filesystem": "session",
        "sequential-thinking": "global",
    }
    assert "  memory               one for all directories: what it lists and answers is the same" in out
    assert "  filesystem           one for each directory: it asks its client for MCP roots" in out
    assert "If it does not matter: callmux server set git --cwd-mode global" in out
    assert "Nothing is kept between calls by memory, filesystem: --idle-stop 600" in out
    before = files(home)
    assert run("--yes", *added) == 0
    assert files(home) == before


def test_servers_that_keep_nothing_can_be_stopped_when_they_are_not_used(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    added = ("--add", "memory", "--add", "sequential-thinking")
    assert run("--yes", "--json", "--move", "none", "--idle-stop", "300", *added) == 0
    assert json.loads(capsys.readouterr().out)["processes"] == [
        {
            "name": name,
            "cwdMode": "global",
            "reason": "what it lists and answers is the same in every directory",
        }
        for name in ("memory", "sequential-thinking")
    ]
    servers = json.loads((home / ".config" / "callmux" / "config.json").read_text())["servers"]
    stopped = {"start": "lazy", "idleStopSeconds": 300}
    assert stopped.items() <= servers["memory"].items()
    assert not stopped.keys() & servers["sequential-thinking"].keys()
