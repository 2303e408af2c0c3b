"""Which listener, and what goes along."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.bridge.credentials import keep_token
from callmux.bridge.endpoint import read_endpoint
from callmux.cli.destination import Destination, completed, read_destination
from callmux.cli.grammar.call import COMMANDS
from callmux.cli.parsing import read
from callmux.errors import CallmuxError


def destination(home: Path, *args: str, **env: str) -> Destination:
    return read_destination(read(COMMANDS[0], ["tool", *args]), env, home)


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("http://h:1", "http://h:1/mcp"),
        ("http://h:1/", "http://h:1/mcp"),
        ("https://h?a=b", "https://h/mcp?a=b"),
        ("http://h:1/other/", "http://h:1/other/"),
        ("nota", "nota"),
    ],
)
def test_a_url_without_a_path_gets_one(url: str, whole: str) -> None:
    assert completed(url) == whole


def test_by_default_it_is_the_listener_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = destination(tmp_path)
    assert found.endpoint.url == "http://127.0.0.1:4860/mcp"
    assert found.headers == {"x-callmux-cwd": str(tmp_path), "x-callmux-client": "cli"}
    assert (found.identity, found.seconds) == ("sent no token (none configured)", None)


def test_everything_can_be_said(tmp_path: Path) -> None:
    words = ["--url", "http://h:1/x", "--cwd", "/w/../v", "--header", "X-A: b", "--header"]
    found = destination(tmp_path, *words, "x-callmux-cwd: /z", "--token", "t", "--call-timeout", "1500")
    assert found.endpoint.url == "http://h:1/x"
    assert found.headers == {
        "X-A": "b",
        "x-callmux-cwd": "/v",
        "x-callmux-client": "cli",
        "Authorization": "Bearer t",
    }
    assert (found.identity, found.seconds) == ("sent the token of --token", 1.5)


def test_no_time_is_no_bound(tmp_path: Path) -> None:
    """Weak spot C12 of callmux (npm)."""
    assert destination(tmp_path, "--call-timeout", "0").seconds is None


def test_a_header_of_the_users_own_wins_and_is_what_is_named(tmp_path: Path) -> None:
    """Weak spot C9 of callmux (npm)."""
    found = destination(tmp_path, "--header", "authorization: Basic x", "--token", "t", CALLMUX_TOKEN="e")
    assert found.headers["authorization"] == "Basic x"
    assert "Authorization" not in found.headers
    assert found.identity == "sent the Authorization of --header"


def test_a_kept_token_that_was_not_sent_is_explained(tmp_path: Path) -> None:
    """Weak spot C9 of callmux (npm)."""
    keep_token(tmp_path, read_endpoint("http://mux.example/mcp"), "kept")
    found = destination(tmp_path)
    assert "Authorization" not in found.headers
    assert found.identity == "sent no token (the kept one belongs to http://mux.example:80)"
    assert destination(tmp_path, "--url", "http://mux.example").headers["Authorization"] == "Bearer kept"


def test_a_directory_that_no_header_can_carry_is_not_sent(tmp_path: Path) -> None:
    assert "x-callmux-cwd" not in destination(tmp_path, "--cwd", "/a\nb").headers


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["--url", "nota"], "Error: invalid listener URL: --url must begin with http"),
        (["--url", "ftp://h"], "Error: invalid listener URL"),
        (["--header", "nocolon"], "Error: --header must use Name:Value format. Usage: callmux call TOOL"),
        (["--token-file", "none"], 'Error: --token-file "none" did not contain a non-empty token'),
    ],
)
def test_what_cannot_be_used_is_exit_code_2(tmp_path: Path, args: list[str], says: str) -> None:
    with pytest.raises(CallmuxError) as caught:
        destination(tmp_path, *args)
    assert (caught.value.exit_code, caught.value.message.startswith(says)) == (2, True)


def test_a_token_that_loses_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Weak spot L33 of callmux (npm)."""
    found = destination(tmp_path, "--token", "mine", CALLMUX_TOKEN="env")
    assert found.headers["Authorization"] == "Bearer env"
    told = capsys.readouterr().err
    assert "CALLMUX_TOKEN is set and comes before --token" in told
    assert "mine" not in told
    destination(tmp_path, CALLMUX_TOKEN="env")
    destination(tmp_path, "--token", "mine")
    assert capsys.readouterr().err == ""
