"""How long results of a server made with the official SDK hold, as clients of a listener see it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import eventually, free_port

from .harness import python_server, stdio, write_config
from .modern import asked
from .test_listener import HELLO, post, request, run_listener

AUTH = {
    "mode": "bearer",
    "tokens": [{"id": id, "token": f"t-{id}"} for id in ("ada", "bob", "eve")],
}
RULES = {
    "defaultEffect": "allow",
    "rules": [{"effect": "deny", "principals": ["bearer:eve"], "tools": ["nothing"]}],
}


def ask(port: int, method: str, who: str = "ada", **params: Any) -> Any:
    status, answer = asked(port, method, params, Authorization=f"Bearer t-{who}")
    assert status == 200, answer
    return answer["result"]


def number(port: int, who: str = "ada") -> str:
    return str(ask(port, "resources/read", who, uri="x:/n")["contents"][0]["text"])


def config_of(tmp_path: Path, ttl: int, scope: str, **more: Any) -> Path:
    server = stdio(python_server("hinting_server.py", tmp_path / "log", str(ttl), scope))
    return write_config(tmp_path / "c.json", {"a": server}, auth=AUTH, cacheTtlSeconds=60, **more)


def until_up(port: int) -> None:
    eventually(lambda: ask(port, "tools/list")["ttlMs"] > 0, "the server to have started")


def test_what_is_public_is_kept_for_all_to_whom_the_same_rules_apply(tmp_path: Path) -> None:
    port = free_port()
    with run_listener(tmp_path, config_of(tmp_path, 50_000, "public", authorization=RULES), port):
        until_up(port)
        assert [number(port, who) for who in ("ada", "bob", "eve", "ada", "eve")] == ["1", "1", "2", "1", "2"]
        listed = ask(port, "tools/list")
        assert listed["cacheScope"] == "private", "rules decide what is in it"
        assert 0 < listed["ttlMs"] <= 50_000
        read = ask(port, "resources/read", uri="x:/n")
        assert (read["cacheScope"], read["ttlMs"]) == ("private", 0)


@pytest.mark.parametrize("scope", ["public", "private"])
def test_lists_and_reads_are_for_whom_their_server_says(scope: str, tmp_path: Path) -> None:
    port = free_port()
    with run_listener(tmp_path, config_of(tmp_path, 50_000, scope), port):
        until_up(port)
        for method in ("tools/list", "resources/list"):
            assert ask(port, method)["cacheScope"] == scope
        expected = ["1", "1", "1"] if scope == "public" else ["1", "2", "1"]
        assert [number(port, who) for who in ("ada", "bob", "ada")] == expected


def test_what_holds_no_longer_is_read_and_listed_again(tmp_path: Path) -> None:
    port, log = free_port(), tmp_path / "log"
    with run_listener(tmp_path, config_of(tmp_path, 300, "public"), port):
        eventually(lambda: ask(port, "resources/list")["resources"], "the server to have started")
        first = number(port)
        eventually(lambda: number(port) != first, "the read to be made again")
        assert log.read_text().count("resources") == 1, "a list holds for five seconds at least"

        def again() -> bool:
            ask(port, "resources/list")
            return log.read_text().count("resources") > 1

        eventually(again, "the list to be read again")


def test_a_client_with_a_handshake_hears_nothing_of_it(tmp_path: Path) -> None:
    port = free_port()
    with run_listener(tmp_path, config_of(tmp_path, 50_000, "public"), port):
        head = {"Authorization": "Bearer t-ada"}
        _, _, session = post(port, request(1, "initialize", HELLO), **head)
        assert session is not None
        post(port, {"jsonrpc": "2.0", "method": "notifications/initialized"}, session, **head)
        for method, params in (("tools/list", {}), ("resources/read", {"uri": "x:/n"})):
            _, answer, _ = post(port, request(2, method, params), session, **head)
            told = json.dumps(answer["result"])
            assert "ttlMs" not in told
            assert "cacheScope" not in told
