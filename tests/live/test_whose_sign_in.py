"""Two principals on one listener: each has a sign-in of its own, and sees nothing that the other's brings."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callmux.stores.tokens import TokenStore, token_directory
from tests.live.harness import run, write_config
from tests.live.test_listener import HELLO, post, request, run_listener
from tests.oauth.scene import Guarded, guarded
from tests.support import eventually, free_port

TOKENS = {"ann": "token-of-ann-0123456789", "bob": "token-of-bob-0123456789"}
AUTH = {"mode": "bearer", "tokens": [{"id": name, "token": token} for name, token in TOKENS.items()]}


@pytest.fixture
def server() -> Iterator[Guarded]:
    with guarded() as found:
        yield found


class Caller:
    """One session of a principal."""

    def __init__(self, port: int, name: str) -> None:
        self._port = port
        self._head = {"Authorization": f"Bearer {TOKENS[name]}"}
        self.name = name
        _, answer, self._session = post(port, request(1, "initialize", HELLO), **self._head)
        assert "result" in answer, answer

    def ask(self, method: str, params: Any) -> Any:
        status, answer, _ = post(self._port, request(2, method, params), self._session, **self._head)
        assert status == 200, answer
        return answer["result"]

    def call(self, tool: str, **more: Any) -> Any:
        arguments = {"server": "guarded", "tool": tool, **more}
        return self.ask("tools/call", {"name": "callmux_call", "arguments": arguments})

    def names(self) -> set[str]:
        listed = self.ask("tools/list", {})["tools"]
        return {tool["name"] for tool in listed if not tool["name"].startswith("callmux_")}

    def found(self) -> str:
        search = {"name": "callmux_search_tools", "arguments": {"query": "of ann bob"}}
        return str(self.ask("tools/call", search))


def signs_in(server: Guarded, folder: Path, name: str, owner: str) -> None:
    server.control(user=name)
    run(server.sign_in(TokenStore(token_directory({"XDG_STATE_HOME": str(folder / "state")})), owner=owner))


def listen(server: Guarded, folder: Path, **entry: Any) -> Any:
    entry = {"url": server.url, **entry}
    file = write_config(folder / "callmux.json", {"guarded": entry}, auth=AUTH, cacheTtlSeconds=60)
    port = free_port()
    return port, run_listener(folder, file, port)


def code_of(result: Any) -> str:
    return str(result["structuredContent"]["error"]["code"]) if result.get("isError") else ""


def text_of(result: Any) -> str:
    return str(result["content"][0]["text"])


def test_nobody_uses_the_sign_in_of_another_or_of_the_machines_user(server: Guarded, tmp_path: Path) -> None:
    signs_in(server, tmp_path, "root", "")
    port, running = listen(server, tmp_path, oauth={})
    with running:
        ann, bob = Caller(port, "ann"), Caller(port, "bob")
        assert ann.names() == set()
        assert code_of(ann.call("whoami")) == "sign_in_needed"
        assert "--principal bearer:ann" in str(ann.call("whoami"))
        signs_in(server, tmp_path, "ann", "bearer:ann")
        eventually(lambda: not ann.call("whoami").get("isError"), "the sign-in of ann", 20)
        assert text_of(ann.call("whoami")) == "ann"
        assert code_of(bob.call("whoami")) == "sign_in_needed"
        eventually(lambda: any("of_ann" in name for name in ann.names()), "the tools of ann", 20)
        assert bob.names() == set()
        signs_in(server, tmp_path, "bob", "bearer:bob")
        eventually(lambda: not bob.call("whoami").get("isError"), "the sign-in of bob", 20)
        eventually(lambda: any("of_bob" in name for name in bob.names()), "the tools of bob", 20)
        assert not any("of_bob" in name for name in ann.names())
        assert not any("of_ann" in name for name in bob.names())


def test_whatever_two_principals_do_neither_gets_what_the_other_may(server: Guarded, tmp_path: Path) -> None:
    """Reads that are cached and shared, listings, searches: many at once, from several sessions of each."""
    for name in TOKENS:
        signs_in(server, tmp_path, name, f"bearer:{name}")
    port, running = listen(server, tmp_path, oauth={}, cachePolicy={"allowTools": ["*"]})
    seed = random.randrange(10**9)
    wrong: list[str] = []

    def use(name: str, luck: random.Random) -> None:
        other = "bob" if name == "ann" else "ann"
        caller = Caller(port, name)
        for _ in range(25):
            match luck.randrange(4):
                case 0:
                    said = str(sorted(caller.names()))
                case 1:
                    said = caller.found()
                case 2:
                    said = str(caller.call(f"of_{name}"))
                case _:
                    said = str(caller.call("whoami"))
                    if text_of(caller.call("whoami")) != name:
                        wrong.append(f"{name} was taken for another")
            if f"of_{other}" in said or f"'{other}'" in said or f'"{other}"' in said:
                wrong.append(f"{name}: {said}")

    with running:
        threads = [
            threading.Thread(target=use, args=(name, random.Random(f"{seed}-{name}-{n}")))
            for name in TOKENS
            for n in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
    assert not wrong, f"seed {seed}: {wrong[:3]}"
    counts = server.control()
    assert counts["exchange"] == 2
    # Most reads were answered from the cache, or shared: what is divided is not simply off.
    assert counts["call"] < 60


def test_a_sign_in_is_shared_where_that_is_chosen(server: Guarded, tmp_path: Path) -> None:
    signs_in(server, tmp_path, "root", "")
    port, running = listen(server, tmp_path, signIn="shared")
    with running:
        for name in TOKENS:
            assert text_of(Caller(port, name).call("whoami")) == "root"


def test_without_a_choice_a_listener_with_auth_says_what_to_write(server: Guarded, tmp_path: Path) -> None:
    signs_in(server, tmp_path, "root", "")
    port, running = listen(server, tmp_path)
    with running:
        refused = Caller(port, "ann").call("whoami")
        assert code_of(refused) == "sign_in_needed"
        assert '"signIn": "shared"' in refused["structuredContent"]["error"]["message"]
