"""`callmux login`: signs in to remote servers, one or all that need it, and shows what is kept.

Called by `callmux.cli.main`. The sign-in itself is in `callmux.cli.signing_in`; every callmux of this user
that runs sees it by itself.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from pathlib import Path
from typing import Any

from callmux.cli.console import print_json
from callmux.cli.grammar.login import COMMANDS
from callmux.cli.parsing import Given, nearest, read, refusal
from callmux.cli.signing_in import Manner, own_store, place_of, sign_in_here
from callmux.config.load import LoadedConfig, find_config, load_config, target_config
from callmux.config.redact import mask_url
from callmux.config.servers import HttpServer
from callmux.errors import ConfigError, UsageError
from callmux.oauth.discovery import challenge_of
from callmux.oauth.failure import SignInFailed
from callmux.oauth.settings import account_of, looked_up
from callmux.oauth.web import Web
from callmux.stores.sign_ins import KeptAccount, SignedIn
from callmux.stores.tokens import TokenStore, TokensUnreadable
from callmux.timestamps import iso


def run(args: list[str], config_option: str | None) -> int:
    """Gives the exit code: 1 where a sign-in did not come about, or one is needed."""
    given = read(COMMANDS[0], args)
    find_config(config_option, os.environ, Path.home())
    loaded = load_config(target_config(config_option, os.environ, Path.home()), os.environ)
    name = given.word(0)
    servers = remote_servers(loaded, name)
    if given.on("--status"):
        return _status(given, servers)
    if given.on("--json"):
        raise refusal(given.command, "--json goes with --status")
    manner = Manner(
        owner=given.text("--principal") or "",
        device=given.on("--device"),
        browser=not given.on("--no-browser"),
        seconds=float(given.number("--timeout") or Manner().seconds),
    )
    if not servers:
        print("No server at a URL is configured: there is nothing to sign in to.")
        return 0
    return asyncio.run(_login(servers, loaded, manner, everything=name is None))


def remote_servers(loaded: LoadedConfig, name: str | None) -> dict[str, HttpServer]:
    """The server of this name, or all that are at a URL and not disabled.

    Raises:
        UsageError: There is no such server, or it is none to sign in to.
        ConfigError: It cannot be used as it is configured.
    """
    servers = loaded.config.servers
    if name is None:
        return {
            key: server
            for key, server in servers.items()
            if isinstance(server, HttpServer) and not server.disabled
        }
    if name not in servers:
        raise UsageError(f'Server "{name}" not found in {loaded.path}{nearest(name, list(servers))}')
    server = servers[name]
    if not isinstance(server, HttpServer):
        raise UsageError(f'"{name}" is a program on this machine, and callmux signs in to servers at a URL')
    if server.problem is not None:
        raise ConfigError([server.problem])
    return {name: server}


async def _login(
    servers: dict[str, HttpServer], loaded: LoadedConfig, manner: Manner, *, everything: bool
) -> int:
    store = own_store(os.environ)
    failed = done = 0
    for name, server in servers.items():
        if everything and not await _needs(name, server, loaded, store, manner.owner):
            continue
        print(f'Signing in to "{name}" ({mask_url(server.url)}).', file=sys.stderr, flush=True)
        try:
            signed_in = await sign_in_here(name, server, loaded.base_dir, manner)
        except SignInFailed as failure:
            failed += 1
            print(f'Not signed in to "{name}": {failure.reason}', file=sys.stderr)
            continue
        done += 1
        print(f'Signed in to "{name}"{_until(signed_in)}. The tokens are in {place_of(os.environ)}.')
    if not failed and not done:
        print("No server needs a sign-in.")
    return 1 if failed else 0


async def _needs(name: str, server: HttpServer, loaded: LoadedConfig, store: TokenStore, owner: str) -> bool:
    """Whether a server wants a sign-in and has none; says why where it is left out."""
    if server.problem is not None:
        print(f'"{name}" is left out: {server.problem}', file=sys.stderr)
        return False
    try:
        kept = store.read(account_of(name, server, owner))
        if record(name, server, kept, time.time())["state"] == "signed_in":
            print(f'"{name}": signed in already')
            return False
        config = await looked_up(server, loaded.base_dir, os.environ)
        async with Web(config.url) as web:
            return await challenge_of(web, config.headers) is not None
    except TokensUnreadable as error:
        print(f'"{name}": {error}', file=sys.stderr)
        return True
    except SignInFailed as failure:
        print(f'"{name}" is left out: {failure}', file=sys.stderr)
        return False


def _until(signed_in: SignedIn) -> str:
    expires = signed_in.tokens.expires_at
    if expires is None or signed_in.tokens.refresh:
        return ""
    return f" until {iso(expires)}"


def record(name: str, server: HttpServer, kept: KeptAccount, now: float) -> dict[str, Any]:
    """What is kept of a sign-in, for people and programs: never a token.

    Args:
        now: Seconds since 1970.
    """
    signed_in, demand = kept.signed_in, kept.demand
    shown: dict[str, Any] = {"name": name, "url": mask_url(server.url)}
    if signed_in is None:
        return {**shown, "state": "none" if demand is None else "needed"}
    tokens = signed_in.tokens
    renewable = bool(tokens.refresh) or signed_in.grant == "client_credentials"
    expired = tokens.expires_at is not None and tokens.expires_at <= now and not renewable
    stepped = demand is not None and demand.step_up
    facts = {
        "state": "needed" if stepped else "expired" if expired else "signed_in",
        "issuer": signed_in.issuer,
        "grant": signed_in.grant,
        "scopes": list(tokens.scopes) or None,
        "expiresAt": None if tokens.expires_at is None else iso(tokens.expires_at),
        "renewable": renewable,
        "missingScopes": list(demand.scopes) if demand is not None and stepped else None,
    }
    return {**shown, **{key: value for key, value in facts.items() if value is not None}}


_WORDS = {
    "none": "no sign-in is kept",
    "needed": 'needs a sign-in: run "callmux login {name}"',
    "expired": 'its sign-in has expired: run "callmux login {name}"',
    "signed_in": "signed in",
    "unreadable": "what is kept cannot be used: {error}",
}


def _status(given: Given, servers: dict[str, HttpServer]) -> int:
    store, now = own_store(os.environ), time.time()
    owner = given.text("--principal") or ""
    records = []
    for name, server in servers.items():
        try:
            records.append(record(name, server, store.read(account_of(name, server, owner)), now))
        except TokensUnreadable as error:
            state = {"state": "unreadable", "error": str(error)}
            records.append({"name": name, "url": mask_url(server.url), **state})
    if given.on("--json"):
        print_json({"kept": place_of(os.environ), "servers": records})
    else:
        for found in records:
            words = _WORDS[found["state"]].format(**found)
            until = f", until {found['expiresAt']}" if "expiresAt" in found else ""
            until += " (renewed by itself)" if until and found["renewable"] else ""
            at = f" at {found['issuer']}" if found["state"] == "signed_in" else ""
            print(f"{found['name']}: {words}{at}{until}")
        print(f"Tokens are kept in {place_of(os.environ)}.")
    return 1 if any(found["state"] in ("needed", "expired", "unreadable") for found in records) else 0
