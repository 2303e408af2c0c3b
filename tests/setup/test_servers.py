"""A server as an entry of our configuration: no secret stands in it."""

from __future__ import annotations

import json

import pytest

from callmux.clients.entry import Entry
from callmux.config.references import template_of
from callmux.setup.servers import (
    EnvSecrets,
    KeyringSecrets,
    Secrets,
    SecretValue,
    is_secret,
    kept_elsewhere,
    server_document,
)


def test_secrets_go_into_files_and_the_rest_stays() -> None:
    """The original copies literal secrets into its configuration. Weak spot C6 of callmux (npm)."""
    secrets = Secrets("/s", {})
    entry = Entry(
        command="npx",
        args=("-y", "srv", "--token", "hunter1", "--api-key=hunter2", "postgres://u:hunter3@h/db"),
        env={"GITHUB_TOKEN": "hunter4", "LEVEL": "debug", "SECRET": "${OTHER}"},
        cwd="/w",
        timeout_ms=5000,
        tools=("t",),
        disabled=True,
    )
    document = server_document("gh", entry, secrets.keep)
    assert document == {
        "command": "npx",
        "args": [
            *("-y", "srv", "--token", "${file:/s/gh-arg4}", "--api-key=${file:/s/gh-arg5}"),
            "${file:/s/gh-arg6}",
        ],
        "env": {"LEVEL": "debug", "SECRET": "${OTHER}"},
        "envRefs": {"GITHUB_TOKEN": "file:/s/gh-GITHUB_TOKEN"},
        "cwd": "/w",
        "tools": ["t"],
        "callTimeoutMs": 5000,
        "disabled": True,
    }
    assert "hunter" not in json.dumps(document)
    assert secrets.files == {
        "/s/gh-arg4": "hunter1",
        "/s/gh-arg5": "hunter2",
        "/s/gh-arg6": "postgres://u:hunter3@h/db",
        "/s/gh-GITHUB_TOKEN": "hunter4",
    }


def test_headers_and_addresses_keep_no_secret() -> None:
    secrets = Secrets("/s", {})
    entry = Entry(
        url="https://u:hunter2@h/mcp?token=hunter2",
        transport="sse",
        headers={"Authorization": "Bearer hunter2", "X-Api-Key": "hunter2", "X-Team": "a", "Cookie": "${C}"},
    )
    document = server_document("r", entry, secrets.keep)
    assert document == {
        "url": "${file:/s/r-url}",
        "transport": "sse",
        "headers": {
            "Authorization": "Bearer ${file:/s/r-Authorization}",
            "X-Api-Key": "${file:/s/r-X-Api-Key}",
            "X-Team": "a",
            "Cookie": "${C}",
        },
    }
    assert set(secrets.files) == {"/s/r-url", "/s/r-Authorization", "/s/r-X-Api-Key"}


def test_a_variable_that_holds_the_value_is_named_instead() -> None:
    secrets = Secrets("/s", {"A_TOKEN": "x", "B_TOKEN": "other"})
    document = server_document("n", Entry(command="c", env={"A_TOKEN": "x", "B_TOKEN": "y"}), secrets.keep)
    assert document["envRefs"] == {"A_TOKEN": "env:A_TOKEN", "B_TOKEN": "file:/s/n-B_TOKEN"}


def test_variables_can_be_preferred_to_files() -> None:
    secrets = EnvSecrets("/s", {})
    document = server_document(
        "n", Entry(command="c", args=("--token", "x"), env={"A_TOKEN": "y"}), secrets.keep
    )
    assert document["envRefs"] == {"A_TOKEN": "env:A_TOKEN"}
    assert document["args"] == ["--token", "${file:/s/n-arg2}"]


def test_two_secrets_never_share_a_file_and_equal_ones_do() -> None:
    secrets = Secrets("/s", {}, occupied={"/s/a-K": "old"})
    assert secrets.keep(SecretValue("a-K", None, "new")) == "file:/s/a-K_2"
    assert secrets.keep(SecretValue("a-K", None, "new")) == "file:/s/a-K_2"
    assert secrets.keep(SecretValue("a-K", None, "third")) == "file:/s/a-K_3"
    assert secrets.keep(SecretValue("a-K", None, "old")) == "file:/s/a-K"
    assert secrets.files == {"/s/a-K_2": "new", "/s/a-K_3": "third"}
    assert secrets.keep(SecretValue("../x y", None, "v")) == "file:/s/___x_y"
    assert "new" not in repr(SecretValue("a", None, "new"))


@pytest.mark.parametrize(
    ("key", "value", "secret"),
    [
        ("API_KEY", "x", True),
        ("API_KEY", "", False),
        ("API_KEY", "${X}", False),
        ("Authorization", "Bearer ${X}", False),
        ("ANY", "ghp_" + "a" * 36, True),
        ("DATABASE", "postgres://u:p@h/db", True),
        ("DATABASE", "postgres://h/db", False),
        ("LEVEL", "debug", False),
    ],
)
def test_secrets_are_known_by_name_and_by_shape(key: str, value: str, secret: bool) -> None:
    assert is_secret(key, value) is secret


def test_a_server_of_a_project_goes_on_working_there() -> None:
    keep = Secrets("/s", {}).keep
    for entry in (Entry(command="./srv"), Entry(command="npx", args=("-y", "files", "."))):
        document = server_document("a", entry, keep, "/p")
        assert (document["cwd"], document["cwdMode"]) == ("/p", "global")
        assert "cwd" not in server_document("a", entry, keep)
    assert server_document("a", Entry(command="x", cwd="sub"), keep, "/p")["cwd"] == "/p/sub"
    assert server_document("a", Entry(command="x", cwd="/w"), keep, "/p")["cwd"] == "/w"
    assert "cwd" not in server_document("a", Entry(url="http://h"), keep, "/p")


def test_denied_tools_time_to_start_and_the_environment_file_go_along() -> None:
    entry = Entry(command="x", denied=("a", "b"), connect_ms=9000, timeout_ms=5, env_file="/e/.env")
    assert server_document("s", entry, Secrets("/s", {}).keep) == {
        "command": "x",
        "envFile": "/e/.env",
        "denyTools": ["a", "b"],
        "callTimeoutMs": 5,
        "connectTimeoutMs": 9000,
    }


def test_what_only_looks_like_a_reference_goes_on_meaning_itself() -> None:
    """Clients' files have no references of ours."""
    entry = Entry(
        command="x", args=("run", "env:dev", "cmd:build"), env={"STAGE": "env:PROD", "DB": "file:dev.db"}
    )
    document = server_document("n", entry, Secrets("/s", {}).keep)
    assert document["args"] == ["run", "literal:env:dev", "literal:cmd:build"]
    assert document["env"] == {"STAGE": "literal:env:PROD", "DB": "file:dev.db"}
    entry = Entry(url="https://x", headers={"X": "env:A"})
    assert server_document("n", entry, Secrets("/s", {}).keep)["headers"] == {"X": "literal:env:A"}


@pytest.mark.parametrize("text", ["cmd:touch found", "keyring:other"])
def test_no_text_of_a_clients_file_becomes_a_reference_wherever_it_stands(text: str) -> None:
    """A file that came with a repository would have a command run by a header, a word or an address."""
    keep = Secrets("/s", {}).keep
    words = ("--token", text, "-p", text, text)
    assert server_document("n", Entry(command="x", args=words), keep)["args"] == [
        "--token",
        f"literal:{text}",
        "-p",
        f"literal:{text}",
        f"literal:{text}",
    ]
    assert server_document("n", Entry(url=text), keep)["url"] == f"literal:{text}"
    held = server_document("n", Entry(url="https://x", headers={"A": text, "Authorization": text}), keep)
    assert template_of(held["headers"]["A"]) is None
    assert held["headers"]["Authorization"].startswith("${file:/s")


def test_secrets_by_name_are_references_to_a_keyring() -> None:
    secrets = KeyringSecrets("/s", {}, occupied={"n-A_TOKEN": "other"})
    entry = Entry(command="x", args=("--token", "hush-hush"), env={"A_TOKEN": "one", "B_TOKEN": "two"})
    document = server_document("n", entry, secrets.keep)
    assert document["envRefs"] == {"A_TOKEN": "keyring:n-A_TOKEN_2", "B_TOKEN": "keyring:n-B_TOKEN"}
    assert document["args"] == ["--token", "${keyring:n-arg2}"]
    assert secrets.kept == {"n-A_TOKEN_2": "one", "n-B_TOKEN": "two", "n-arg2": "hush-hush"}
    assert secrets.files == {}


def test_secrets_of_an_entry_of_ours_are_found_and_references_left_alone() -> None:
    secrets = KeyringSecrets("/s", {})
    entry = {
        "command": "x",
        "args": ["--token", "hush-hush", "--api-key=keyring:k", "run", "env:dev"],
        "env": {"A_TOKEN": "one", "B_TOKEN": "cmd:b", "C_TOKEN": "${C}", "MODE": "m", "N": 5},
    }
    assert kept_elsewhere("n", entry, secrets.keep) == {
        ("env", "A_TOKEN"): "keyring:n-A_TOKEN",
        ("args",): ["--token", "${keyring:n-arg2}", "--api-key=keyring:k", "run", "env:dev"],
    }
    remote = {"url": "https://u:hush-hush@x/", "headers": {"Authorization": "Bearer two", "X": "y"}}
    assert kept_elsewhere("n", remote, secrets.keep) == {
        ("headers", "Authorization"): "Bearer ${keyring:n-Authorization}",
        ("url",): "${keyring:n-url}",
    }
    for plain in ({"command": "x"}, {"url": "https://x", "headers": 5}, {"command": "x", "args": [5]}, {}):
        assert kept_elsewhere("n", plain, secrets.keep) == {}


def test_a_reference_in_an_address_among_the_arguments_stays() -> None:
    secrets = Secrets("/s", {})
    words = ("postgres://${DB_USER}:${DB_PASSWORD}@h/db", "plain")
    assert server_document("n", Entry(command="c", args=words), secrets.keep)["args"] == list(words)
    assert secrets.files == {}


def test_an_entry_without_secrets_keeps_all_that_it_has() -> None:
    entry = {"command": "c", "args": ["a", "--flag"], "env": {"LEVEL": "debug"}, "headers": {"X-Team": "a"}}
    assert kept_elsewhere("n", entry, Secrets("/s", {}).keep) == {}
