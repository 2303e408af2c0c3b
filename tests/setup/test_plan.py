"""What setup would write."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.clients.entry import ClientFileError, Entry
from callmux.config.check import check_document
from callmux.setup.found import ClientFile, find_servers
from callmux.setup.plan import Answers, NewServer, SetupError, SetupPlan, make_plan, probe_documents
from callmux.setup.servers import Secrets


def file(kind: str, text: str, path: str | None = None) -> ClientFile:
    return ClientFile(kind=kind, path=path or f"/{kind}", text=text)


CLAUDE = file("claude", '{"n": 1, "mcpServers": {"git": {"command": "g", "env": {"A_TOKEN": "hunter2"}}}}')
CODEX = file("codex", '# mine\n[mcp_servers.git]\ncommand = "other"\n[mcp_servers.time]\ncommand = "t"\n')


def plan(config: str | None = None, *files: ClientFile, **answers: Any) -> SetupPlan:
    found, problems = find_servers(files, "/h")
    assert problems == []
    clients = answers.pop("clients", files)
    return make_plan(
        Answers(moved=[item for item in found if not item.ours], clients=clients, **answers),
        "/c.json",
        config,
        Secrets("/s", {}),
    )


def after(made: SetupPlan, path: str) -> str:
    return next(item.after for item in made.files if item.path == path)


def test_servers_move_and_callmux_takes_their_place() -> None:
    made = plan(None, CLAUDE, CODEX)
    config = json.loads(after(made, "/c.json"))
    assert check_document(config).errors == []
    assert list(config["servers"]) == ["git", "git-codex", "time"]
    assert config["servers"]["git"] == {"command": "g", "envRefs": {"A_TOKEN": "file:/s/git-A_TOKEN"}}
    assert (config["cacheTtlSeconds"], config["maxConcurrency"]) == (0, 20)
    assert json.loads(after(made, "/claude")) == {
        "n": 1,
        "mcpServers": {"callmux": {"command": "callmux", "args": []}},
    }
    assert after(made, "/codex").startswith("# mine\n\n# BEGIN CALLMUX MANAGED callmux\n")
    assert "git" not in after(made, "/codex")
    assert (made.names, made.attached) == (("git", "git-codex", "time"), ("claude", "codex"))
    assert any('becomes "git-codex"' in note for note in made.notes)


def test_only_files_of_secrets_hold_secrets() -> None:
    made = plan(None, CLAUDE)
    secret, *others = made.files
    assert (secret.path, secret.after, secret.secret) == ("/s/git-A_TOKEN", "hunter2\n", True)
    assert not any("hunter2" in item.after for item in others)


def test_the_same_server_in_two_files_becomes_one() -> None:
    made = plan(None, CLAUDE, file("cursor", CLAUDE.text))
    assert list(made.servers) == ["git"]
    assert made.names == ("git", "git")
    assert "git" not in json.loads(after(made, "/cursor"))["mcpServers"]


def test_a_configuration_keeps_what_it_has() -> None:
    """c2: edited as text, so unknown keys, order and comments stay."""
    config = '{\n  "x-mine": 1,\n  "servers": {"git": {"command": "old"}} // yes\n}\n'
    made = plan(config, CLAUDE, cache_seconds=60, meta_only=True)
    text = after(made, "/c.json")
    assert '"x-mine": 1,\n  "servers": {"git": {"command": "old"}, "git-claude": ' in text
    assert "// yes" in text
    assert '"cacheTtlSeconds": 60' in text
    assert '"metaOnly": true' in text
    assert after(plan('{"mcpServers": {}}', CLAUDE), "/c.json").startswith('{"mcpServers": {"git"')


def test_a_fresh_configuration_keeps_nothing() -> None:
    text = after(
        plan('{"servers": {"git": {"command": "old"}}, "recipes": {}}', CLAUDE, fresh=True), "/c.json"
    )
    assert "old" not in text
    assert "recipes" not in text
    with pytest.raises(SetupError, match="is not an object"):
        plan("[]", CLAUDE)


def test_new_servers_come_with_references_and_tools() -> None:
    made = plan(
        None,
        added=[
            NewServer(
                "brave", Entry(command="npx", args=("-y", "b")), {"BRAVE_API_KEY": "env:BRAVE_API_KEY"}
            ),
            NewServer("web", Entry(url="http://w/mcp")),
        ],
        tools={"brave": ("search",)},
    )
    assert made.servers == {
        "brave": {
            "command": "npx",
            "args": ["-y", "b"],
            "envRefs": {"BRAVE_API_KEY": "env:BRAVE_API_KEY"},
            "tools": ["search"],
        },
        "web": {"url": "http://w/mcp"},
    }


def test_a_client_with_callmux_under_another_name_keeps_that() -> None:
    other = file(
        "cursor", '{"mcpServers": {"mux": {"command": "npx", "args": ["callmux", "--config", "/x"]}}}'
    )
    made = plan(None, other, program=lambda kind: ("/bin/callmux",))
    assert json.loads(after(made, "/cursor"))["mcpServers"] == {
        "mux": {"command": "/bin/callmux", "args": ["--config", "/x"]}
    }
    assert any('as "mux" already' in note for note in made.notes)


def test_an_entry_of_callmux_keeps_its_arguments_unless_a_listener_is_chosen() -> None:
    args = ["-y", "callmux", "bridge", "--url", "http://h:1/mcp"]
    here = file("claude", json.dumps({"mcpServers": {"callmux": {"command": "npx", "args": args}}}))
    kept = plan(None, clients=[here])
    assert json.loads(after(kept, "/claude"))["mcpServers"]["callmux"] == {
        "command": "callmux",
        "args": ["bridge", "--url", "http://h:1/mcp"],
    }
    assert any("keeps its name and arguments" in note for note in kept.notes)
    shared = plan(None, clients=[here], shared=True, start=lambda kind: Entry(command="callmux", args=("x",)))
    assert json.loads(after(shared, "/claude"))["mcpServers"]["callmux"]["args"] == ["x"]


def test_a_foreign_entry_of_our_name_is_told_and_left() -> None:
    made = plan(None, clients=[file("claude", '{"mcpServers": {"callmux": {"command": "mine"}}}')])
    assert made.attached == ()
    assert [item.path for item in made.files] == ["/c.json"]
    assert any("left alone" in note for note in made.notes)


def test_nothing_new_is_nothing_to_write() -> None:
    first = plan(None, CLAUDE, CODEX)
    again = plan(
        after(first, "/c.json"),
        file("claude", after(first, "/claude")),
        file("codex", after(first, "/codex")),
    )
    assert again.files == ()


def test_servers_are_asked_as_they_are_now() -> None:
    found, _ = find_servers([CLAUDE], "/h")
    documents = probe_documents(
        Answers(moved=found, added=[NewServer("git", Entry(command="x"), {"K": "env:K"})]),
        Secrets("/s", {}).keep,
    )
    assert list(documents) == ["0:git", "+0:git"]
    assert documents["+0:git"]["envRefs"] == {"K": "env:K"}


def test_a_server_that_cannot_be_taken_out_is_named_with_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> str:
        raise ClientFileError("cannot be edited")

    monkeypatch.setattr("callmux.setup.plan.without_servers", refuse)
    with pytest.raises(SetupError, match='"git" cannot be moved out of /claude'):
        plan(None, CLAUDE)


def test_no_client_loses_its_servers_where_callmux_cannot_be_entered() -> None:
    text = '{"mcpServers": {"callmux": {"command": "mine"}, "git": {"command": "g"}}}'
    found, _ = find_servers([file("claude", text)], "/h")
    answers = Answers(moved=[item for item in found if item.name == "git"], clients=[file("claude", text)])
    with pytest.raises(SetupError, match="left alone"):
        make_plan(answers, "/c.json", None, Secrets("/s", {}))


def test_a_server_of_a_project_is_for_all_afterwards_and_others_lose_it() -> None:
    shared = ClientFile(
        kind="claude",
        path="/p/.mcp.json",
        text='{"mcpServers": {"a": {"command": "a"}, "b": {"url": "http://b"}}}',
        project="/p",
    )
    made = plan(None, shared)
    assert any(
        note.startswith("/p/.mcp.json belongs to the project") and "lose a, b" in note for note in made.notes
    )
    assert (
        '"a" was for /p only: behind callmux every client has it in every directory, and it works in /p'
        in made.notes
    )
    assert '"b" was for /p only: behind callmux every client has it in every directory' in made.notes


def test_a_client_that_was_not_chosen_keeps_its_servers() -> None:
    made = plan(None, CLAUDE, clients=[])
    assert list(made.servers) == ["git"]
    assert [item.path for item in made.files] == ["/s/git-A_TOKEN", "/c.json"]
    assert made.notes == ('"git" is copied: Claude Code was not chosen for callmux, so its own entry stays',)


def test_tools_that_one_client_denies_are_denied_to_all() -> None:
    codex = file("codex", '[mcp_servers.a]\ncommand = "a"\ndisabled_tools = ["x", "y"]\n')
    assert '"a" keeps its denied tools for all clients: x, y' in plan(None, codex).notes


def test_two_entries_that_become_one_have_the_longer_times() -> None:
    first = file("codex", '[mcp_servers.a]\ncommand = "a"\ntool_timeout_sec = 5\n')
    second = file(
        "codex", '[mcp_servers.a]\ncommand = "a"\ntool_timeout_sec = 9\nstartup_timeout_sec = 2\n', "/2"
    )
    server = plan(None, first, second).servers["a"]
    assert (server["callTimeoutMs"], server["connectTimeoutMs"]) == (9000, 2000)


def test_a_new_server_that_is_there_already_is_not_written_again() -> None:
    same = NewServer("git", Entry(command="g"))
    made = plan('{"servers": {"git": {"command": "g"}}}', added=[same, same], tools={"other": ("t",)})
    assert (made.names, made.servers, made.files) == (("git", "git"), {}, ())
