"""What each command may import before it does anything: that is what its start costs.

`bridge`, `call` and `tools` are held to single modules of callmux in their own tests.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from callmux.cli.commands import COMMANDS
from tests.support import SECONDS

HEAVY = {
    *(
        "aiohttp",
        "asyncio",
        "dataclasses",
        "difflib",
        "email",
        "http.client",
        "httptools",
        "joserfc",
        "logging",
    ),
    *("logging", "msgspec", "multiprocessing", "plistlib", "prompt_toolkit", "questionary", "rich", "ruamel"),
    *(
        "sqlite3",
        "starlette",
        "subprocess",
        "tomlkit",
        "toons",
        "urllib.request",
        "uvicorn",
        "watchfiles",
        "xml",
    ),
}
"""Modules that cost a millisecond or more."""

RUNNING = {"asyncio", "httptools", "logging", "msgspec", "subprocess"}
FILES = {"dataclasses", "difflib", "msgspec"}
SIGNING_IN = RUNNING - {"httptools"} | {"aiohttp", "email", "http.client", "urllib.request"}
MAY: dict[str, set[str]] = {
    "main": set(),
    "help": set(),
    "manual": set(),
    "completion": set(),
    "instructions": set(),
    "explain": set(),
    "approve": {"msgspec", "logging"},
    "call": {"email", "http.client"},
    "list": {"email", "http.client"},
    "tools": {"email", "http.client"},
    "init": {"msgspec"},
    "config": {"msgspec"},
    "token": {"msgspec"},
    "server": {"msgspec"},
    "ps": {"msgspec"},
    "top": {"msgspec"},
    "dashboard": {"msgspec"},
    "login": SIGNING_IN,
    "logout": SIGNING_IN,
    "secret": {"msgspec"},
    "client": FILES,
    "migrate": FILES | {"plistlib", "xml"},
    "skill": set(),
    "setup": FILES | {"asyncio", "logging", "subprocess"},
    "daemon": {"msgspec", "plistlib", "subprocess", "xml"},
    "demo": {"msgspec", "subprocess"},
    "discover": FILES,
    "doctor": RUNNING - {"httptools"},
    "serve": RUNNING - {"httptools"},
    "single_client": RUNNING - {"httptools"},
    "bridge": RUNNING,
    "listen": RUNNING - {"httptools"},
}
"""Module of `callmux.cli` -> those of `HEAVY` that come with it."""


def test_every_command_has_its_row() -> None:
    assert not set(COMMANDS.values()) - MAY.keys()


@pytest.mark.parametrize("module", MAY)
def test_a_command_loads_no_more_than_it_needs(module: str) -> None:
    code = f"import sys, callmux.cli.main, callmux.cli.{module}; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS, text=True).split())
    assert loaded & HEAVY <= MAY[module]


@pytest.mark.parametrize(
    "line",
    [["--version"], ["--help"], ["help", "server", "add"], ["completion", "zsh"], ["instructions"]],
    ids=lambda line: line[0],
)
def test_what_only_prints_text_loads_nothing_heavy_while_it_runs(line: list[str]) -> None:
    code = f"import sys; from callmux.cli.main import main; main({line}); print('', *sys.modules)"
    said = subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS, text=True)
    assert not set(said.splitlines()[-1].split()) & HEAVY


GUARDS = {"authentication", "bearer", "gate", "guard", "limits", "memory", "oidc", "resource"}


def test_stdio_loads_nothing_of_what_guards_a_listener() -> None:
    code = "import sys, callmux.cli.main, callmux.cli.serve, callmux.process.host; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS, text=True).split())
    assert not loaded & {f"callmux.guard.{name}" for name in GUARDS}


LATER = {
    *("protocol.mirrored", "protocol.modern", "protocol.tasks", "rings.following"),
    *("session.modern.parking", "session.modern.serving", "stores.sign_ins"),
}


def test_stdio_loads_what_clients_without_a_handshake_and_sign_ins_need_when_they_come() -> None:
    code = "import sys, callmux.cli.main, callmux.cli.serve, callmux.process.host; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS, text=True).split())
    assert not loaded & {f"callmux.{name}" for name in LATER}


AFTER_THE_SPAWN = {"copy", "glob", "hashlib", "hmac", "json", "random", "secrets", "shlex", "shutil"}


def test_nothing_of_the_library_that_can_wait_is_loaded_before_servers_start() -> None:
    """What asyncio and the others bring themselves, in some version of Python, does not count."""
    code = (
        "import sys, asyncio, logging, msgspec, pathlib, subprocess; before = {*sys.modules};"
        "import callmux.cli.main, callmux.cli.serve; print(*({*sys.modules} - before))"
    )
    loaded = set(subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS, text=True).split())
    assert not loaded & AFTER_THE_SPAWN


def test_a_listener_loads_the_code_for_tokens_of_an_issuer_only_where_they_are_configured() -> None:
    """It brings aiohttp, joserfc and what these bring: a third of a second."""
    code = """if True:
        import asyncio, sys
        import callmux.cli.listen
        from callmux.clock import Clock
        from callmux.config.model import Config
        from callmux.config.security import BearerAuth, BearerToken, OidcAuth
        from callmux.guard.guard import Guard

        def loaded():
            return sorted({"aiohttp", "cryptography", "joserfc", "callmux.guard.oidc"} & sys.modules.keys())

        async def scene():
            guard = Guard(Clock())
            bearer = BearerAuth(mode="bearer", tokens=(BearerToken(id="a", token="t"),))
            for auth in (None, bearer, OidcAuth(mode="oidc_jwt", issuer="https://i", audience=("a",))):
                guard.gate(Config(auth=auth))
                print(*loaded())

        asyncio.run(scene())
    """
    out = subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS, text=True)
    assert [len(line.split()) for line in out.split("\n")] == [0, 0, 4, 0]
