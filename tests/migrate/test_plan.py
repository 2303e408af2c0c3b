"""What stays and what changes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from callmux.migrate.plan import MigrationPlan, make_plan
from callmux.migrate.state import FoundFile, MigrationState
from callmux.migrate.units import OldUnit

NODE = {"command": "npx", "args": ["-y", "callmux", "bridge", "--url", "http://127.0.0.1:4860/mcp"]}
UNIT = (
    "# callmux-managed-daemon\n[Service]\nType=simple\n"
    'ExecStart="/usr/bin/node" "/x/callmux.js" --config "/c.json" --listen 4870\n'
)
EMPTY = MigrationState(
    config_path=Path("/c.json"),
    config=None,
    overlay=None,
    metrics=None,
    events=None,
    token=None,
    origin=None,
    units={},
    clients=(),
    problems=(),
)


def file(path: str, text: str | None = "{}", mode: int = 0o600) -> FoundFile:
    return FoundFile(Path(path), text, mode)


def client(kind: str = "claude", raw: Any = NODE) -> tuple[str, FoundFile]:
    return kind, file(f"/{kind}", json.dumps({"mcpServers": {"mux": raw, "o": {"command": "o"}}}))


def plan(also: tuple[str, ...] = (), unit: str | None = "new unit\n", **found: Any) -> MigrationPlan:
    def make_unit(path: str, old: OldUnit) -> str | None:
        return unit

    return make_plan(replace(EMPTY, **found), lambda kind: ("/bin/callmux",), make_unit, also)


def verdicts(made: MigrationPlan) -> dict[str, str]:
    return {item.what: item.verdict for item in made.items}


@pytest.mark.parametrize(
    ("text", "verdict", "says"),
    [
        (None, "look", "callmux setup"),
        ('{"servers": {"a": {"command": "a"}}}', "stays", "1 server"),
        ('{"servers": {"a": {}}}', "look", "servers.a"),
        ('{"servers": {}, "cachTtl": 5}', "look", "cachTtl"),
        ("{", "look", "line 1"),
    ],
)
def test_the_configuration_is_read_before_it_is_called_good(
    text: str | None, verdict: str, says: str
) -> None:
    item = plan(config=None if text is None else file("/c.json", text)).items[0]
    assert (item.verdict, says in item.why) == (verdict, True)


def test_a_configuration_in_yaml_is_read_as_such() -> None:
    path = Path("/c.yaml")
    (item,) = plan(config_path=path, config=file(str(path), "servers: {a: {command: a}}")).items
    assert (item.verdict, "1 server" in item.why) == ("stays", True)


def test_entries_that_run_the_one_for_node_run_this_one() -> None:
    made = plan(clients=(client(), client("cursor", {"command": "x"})))
    assert [new.path for new in made.files] == ["/claude"]
    assert json.loads(made.files[0].after)["mcpServers"]["mux"] == {
        "command": "/bin/callmux",
        "args": ["bridge", "--url", "http://127.0.0.1:4860/mcp"],
    }
    assert made.files[0].paths == (("mcpServers", "mux"),)


def test_a_plain_callmux_changes_only_where_it_is_the_one_for_node() -> None:
    plain = client(raw={"command": "callmux", "args": []})
    assert plan(clients=(plain,)).files == ()
    made = plan(clients=(plain,), also=("callmux",))
    assert json.loads(made.files[0].after)["mcpServers"]["mux"]["command"] == "/bin/callmux"


def test_the_token_is_bound_to_the_one_listener_that_clients_name() -> None:
    """In the original it goes to whatever `--url` names. Weak spot C9 of callmux (npm)."""
    token = file("/k/cli-token", "hunter2\n")
    made = plan(token=token, clients=(client(),))
    assert ("/k/cli-token.origin", "http://127.0.0.1:4860\n") in [(f.path, f.after) for f in made.files]
    assert "hunter2" not in str(made.items)
    assert verdicts(plan(token=token))["token for the shell commands and the bridge"] == "stays"
    remote = {"command": "callmux", "args": ["bridge", "--url", "https://mux.example/mcp"]}
    two = plan(token=token, clients=(client(), client("cursor", remote)))
    assert verdicts(two)["token for the shell commands and the bridge"] == "look"
    bound = plan(token=token, origin=file("/k/cli-token.origin", "http://h:1\n"))
    assert verdicts(bound)["token for the shell commands and the bridge"] == "stays"
    assert bound.files == ()
    assert "token" not in str(plan(token=file("/k/cli-token", " ")).items)


def test_files_with_secrets_are_closed_to_others() -> None:
    """The original writes the overlay for everybody to read. Weak spot C11 of callmux (npm)."""
    made = plan(overlay=file("/o.json", '{"version": 1, "servers": {"a": {}}}', 0o644))
    assert [(f.path, f.mode, f.before == f.after) for f in made.files] == [("/o.json", 0o600, True)]
    assert [item.verdict for item in made.items[1:]] == ["changes", "stays"]


@pytest.mark.parametrize(
    ("text", "says"), [("{", "not valid JSON"), ('{"version": 2}', "version is 2"), ("{}", "no version")]
)
def test_an_overlay_that_would_not_load_is_told(text: str, says: str) -> None:
    assert says in plan(overlay=file("/o.json", text)).items[-1].why


def test_histories_stay() -> None:
    made = plan(metrics=file("/m", None), events=file("/e", None))
    assert [item.verdict for item in made.items[1:]] == ["stays", "stays"]


def test_services_run_this_one_and_the_commands_for_it_are_named() -> None:
    path = Path("/h/.config/systemd/user/callmux.service")
    made = plan(units={path: file(str(path), UNIT)})
    assert (made.files[0].before, made.files[0].after) == (UNIT, "new unit\n")
    assert made.after == ("systemctl --user daemon-reload && systemctl --user restart callmux.service",)
    system = Path("/etc/systemd/system/callmux.service")
    assert plan(units={system: file(str(system), UNIT)}).after[0].startswith("systemctl daemon-reload")
    assert plan(units={path: file(str(path), "other")}).files == ()
    assert verdicts(plan(unit=None, units={path: file(str(path), UNIT)}))["service"] == "look"


def test_a_client_file_that_cannot_be_read_is_told() -> None:
    made = plan(clients=(("claude", file("/claude", "{")),), problems=("/x is no text",))
    assert [item.verdict for item in made.items] == ["look", "look", "look"]
