"""Finds what is wrong with a configuration and its servers.

Called by `callmux.cli.doctor`, and by `callmux.doctor.trial` for single servers, with a function that asks a
server (`callmux.upstream.probe`).
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import urlsplit

from msgspec import UNSET

from callmux.config.check import check_document
from callmux.config.load import LoadedConfig
from callmux.config.model import Config
from callmux.config.presets import lines as preset_lines
from callmux.config.redact import (
    is_secret_key,
    mask_url,
    secrets_of_command,
    secrets_of_url,
    shown_command,
)
from callmux.config.references import template_of
from callmux.config.security import LOOPBACK, BearerAuth, OidcAuth, Tls
from callmux.config.server_secrets import veil_of
from callmux.config.servers import HttpServer, StdioServer
from callmux.doctor.approval import idle_entries
from callmux.doctor.containers import kept_containers
from callmux.doctor.directories import Try, needless, open_directories
from callmux.doctor.report import Report, ServerReport
from callmux.doctor.rights import idle_rules
from callmux.errors import CallmuxError
from callmux.upstream.links.program import find_program, missing_program
from callmux.upstream.opening.last_words import SHOWN_LINES, plain, with_words

if TYPE_CHECKING:
    from callmux.upstream.probe import ProbeResult, Seen


FAILED = "connect/list-tools failed: "


class Probe(Protocol):
    """Asks one server for its tools; `heard` takes each line that it writes to its stderr meanwhile."""

    async def __call__(
        self,
        name: str,
        server: StdioServer | HttpServer,
        *,
        timeout_seconds: float,
        base_dir: Path,
        heard: Callable[[str], None],
    ) -> ProbeResult: ...


class Progress:
    """Who is told how servers are asked; this one tells nobody."""

    def started(self, name: str) -> None:
        """It is being asked."""

    def heard(self, name: str, line: str) -> None:
        """It wrote this to its stderr."""

    def finished(self, name: str, result: str) -> None:
        """It has been asked, and this is what came of it."""


async def examine(
    loaded: LoadedConfig,
    probe: Probe,
    env: Mapping[str, str],
    progress: Progress | None = None,
    attempt: Try | None = None,
) -> Report:
    """Checks the configuration and asks all its servers, at most `maxConcurrency` at a time.

    Each server has `connectTimeoutMs` to connect and list its tools.

    Args:
        attempt: Tries a server in two directories, to see whether it needs a process for each.
    """
    config = loaded.config
    # Shown as written: what stands behind a ${VAR} may be a secret.
    written = check_document(loaded.document).config.servers
    slots = asyncio.Semaphore(config.max_concurrency)
    progress = progress or Progress()
    listed: dict[str, Look] = {}

    async def ask(name: str, server: StdioServer | HttpServer) -> ServerReport:
        async with slots:
            return await _examine_server(name, server, written[name], probe, env, loaded, progress, listed)

    servers = list(await asyncio.gather(*(ask(name, server) for name, server in config.servers.items())))
    issues = [
        *config_findings(config),
        *(f"{server.name}: {issue}" for server in servers for issue in server.issues),
    ]
    return Report(
        ok=not issues,
        config_path=str(loaded.path),
        format=loaded.format,
        server_count=len(servers),
        cache_ttl_seconds=config.cache_ttl_seconds,
        max_concurrency=config.max_concurrency,
        preset=preset_lines(loaded.document) or UNSET,
        issues=issues,
        warnings=[
            *loaded.warnings,
            *exposed(loaded),
            *tokens_kept_back(config),
            *open_directories(config),
            *idle_entries(config, {name: look.tools for name, look in listed.items()}),
            *await needless(
                config.servers,
                {name: look.seen for name, look in listed.items() if look.seen is not None},
                attempt,
                config.max_concurrency,
            ),
            *kept_containers(config),
        ],
        servers=servers,
    )


def exposed(loaded: LoadedConfig) -> list[str]:
    """A warning where others on this machine can read secrets in the file."""
    written = check_document(loaded.document).config.servers
    try:
        mode = os.stat(loaded.path).st_mode
    except OSError:
        return []
    if os.name != "posix" or not mode & 0o044:
        return []
    held = [f"servers.{name}" for name, server in written.items() if _holds_secret(server)]
    for key, auth in (("auth", loaded.config.auth), ("management.auth", loaded.config.management.auth)):
        if isinstance(auth, BearerAuth) and any(token.token is not None for token in auth.tokens):
            held.append(key)
    if not held:
        return []
    return [
        f"{loaded.path} holds secrets ({', '.join(held)}) and can be read by other users:"
        " chmod 600 it, or put them into envRefs"
    ]


def _holds_secret(server: StdioServer | HttpServer) -> bool:
    values = server.env if isinstance(server, StdioServer) else server.headers
    plain = {key: value for key, value in values.items() if template_of(value) is None}
    if any(is_secret_key(key) and value and "${" not in value for key, value in plain.items()):
        return True
    if isinstance(server, HttpServer):
        return any("${" not in secret for secret in secrets_of_url(server.url) if secret)
    found = secrets_of_command([server.command, *server.args])
    return any(sure and "${" not in secret and template_of(secret) is None for secret, sure in found)


def config_findings(config: Config) -> list[str]:
    """What is dangerous or cannot work, apart from the servers."""
    found: list[str] = []
    if config.allow_insecure_remote_listener:
        found.append(
            "allowInsecureRemoteListener is enabled: a listener on any address may start without auth"
        )
    if config.authorization is not None and config.auth is None:
        found.append("authorization is configured without auth: every tool call will be denied")
    found += idle_rules(config)
    if isinstance(config.auth, BearerAuth):
        found += _token_findings(config.auth, "auth")
    elif isinstance(config.auth, OidcAuth):
        if urlsplit(config.auth.issuer).scheme != "https":
            found.append(f'auth.issuer should use https:// in production ("{config.auth.issuer}")')
        keys = config.auth.jwks_uri
        uri = urlsplit(keys or config.auth.issuer)
        if keys is not None and uri.scheme != "https" and uri.hostname not in (*LOOPBACK, "::1"):
            found.append(f'auth.jwksUri should use https:// in production ("{mask_url(keys)}")')
    if config.tls is not None and (problem := _certificate_problem(config.tls)) is not None:
        found.append(f"tls: {problem}")
    found += [
        f'abuseControls.trustedProxies: "{proxy}" is everybody: anyone could write X-Forwarded-For'
        for proxy in config.abuse_controls.trusted_proxies
        if proxy.endswith("/0")
    ]
    if config.management.auth is not None:
        found += _token_findings(config.management.auth, "management.auth")
    found += [
        f'fileReferenceRoots: "{root}" is not a directory'
        for root in config.file_reference_roots or ()
        if not os.path.isdir(root)
    ]
    return found


def _certificate_problem(tls: Tls) -> str | None:
    from datetime import UTC, datetime

    from callmux.transport.http.certificates import CertificateUnusable, Pair, checked

    try:
        checked(Pair(Path(tls.cert_file), Path(tls.key_file)), datetime.now(UTC))
    except CertificateUnusable as error:
        return error.message
    return None


def _token_findings(auth: BearerAuth, path: str) -> list[str]:
    found = [
        f'{path}.tokens["{token.id}"] uses a plaintext token: use hash ("callmux token hash") or tokenRef'
        for token in auth.tokens
        if token.token is not None
    ]
    ids = [token.id for token in auth.tokens]
    twice = dict.fromkeys(name for name in ids if ids.count(name) > 1)
    return found + [f'{path}.tokens contains duplicate token id "{name}"' for name in twice]


def tokens_kept_back(config: Config) -> list[str]:
    """A warning for each server that asks for the credential which clients show to the listener."""
    asking = [
        (name, server.url)
        for name, server in config.servers.items()
        if isinstance(server, HttpServer) and "authorization" in server.forward_headers
    ]
    if isinstance(config.auth, BearerAuth):
        return [
            f'"{name}" is to get the authorization header of clients (forwardHeaders), but tokens of auth '
            "are for this listener alone and are not passed on: let clients send a header of its own"
            for name, _ in asking
        ]
    if isinstance(config.auth, OidcAuth):
        return [
            f'"{name}" gets the authorization header of clients (forwardHeaders) only where the audience of '
            f"the token names it: {mask_url(url)}"
            for name, url in asking
        ]
    return []


def find_command(server: StdioServer, env: Mapping[str, str]) -> str | None:
    """The program a server's command means, or None where there is none that can be run."""
    return find_program(server.command, {**env, **server.env}, server.cwd)


def missing_command(server: StdioServer, env: Mapping[str, str]) -> str:
    """Why there is none, and what to do."""
    return missing_program(server.command, {**env, **server.env}, server.cwd)


async def _examine_server(
    name: str,
    server: StdioServer | HttpServer,
    written: StdioServer | HttpServer,
    probe: Probe,
    env: Mapping[str, str],
    loaded: LoadedConfig,
    progress: Progress,
    listed: dict[str, Look],
) -> ServerReport:
    if server.disabled:
        executable = find_command(server, env) if isinstance(server, StdioServer) else None
        return ServerReport(
            name=name, command=shown(written), status="disabled", executable_path=executable or UNSET
        )
    look = await look_at(name, server, probe, env, loaded, progress)
    if not look.issues:
        listed[name] = look
    return ServerReport(
        name=name,
        command=shown(written),
        status="error" if look.issues else "ok",
        executable_path=look.executable or UNSET,
        tool_count=len(look.tools),
        issues=look.issues,
        stderr=list(look.said) or UNSET,
        sign_in_needed=look.sign_in or UNSET,
    )


class Look(NamedTuple):
    """What one server showed.

    Attributes:
        executable: Where its command was found.
        tools: The tools that clients see, after the whitelist.
        issues: What is wrong.
        said: The last lines that the server wrote to its stderr, where it could not be asked.
        sign_in: Whether it wants a person to sign in.
        seen: All that it has listed; None where it could not be asked.
    """

    executable: str | None
    tools: list[str]
    issues: list[str]
    said: tuple[str, ...] = ()
    sign_in: bool = False
    seen: Seen | None = None


async def look_at(
    name: str,
    server: StdioServer | HttpServer,
    probe: Probe,
    env: Mapping[str, str],
    loaded: LoadedConfig,
    progress: Progress | None = None,
) -> Look:
    """Asks one server, unless it is plain beforehand that it cannot start."""
    from callmux.upstream.probe import ProbeResult

    progress = progress or Progress()
    progress.started(name)
    executable = find_command(server, env) if isinstance(server, StdioServer) else None
    issues = _before_asking(server, executable, env)
    found = ProbeResult([], None)
    if not issues:
        found, issues = await _ask(name, server, probe, loaded, progress)
    veil = veil_of(server, inherited=env)
    issues = [veil.hide(issue) for issue in issues]
    seen = [tool for tool in found.tools if server.exposes(tool)]
    result = issues[0].removeprefix(FAILED) if issues else counted(len(seen), "tool")
    progress.finished(name, result)
    return Look(executable, seen, issues, found.said, found.sign_in, found.seen)


def counted(number: int, noun: str) -> str:
    """`1 tool`, `2 tools`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def shown(written: StdioServer | HttpServer) -> str:
    """The command line or URL of an entry, as the file has it, secrets hidden."""
    if isinstance(written, StdioServer):
        return shown_command([written.command, *written.args])
    return mask_url(written.url)


def _before_asking(
    server: StdioServer | HttpServer, executable: str | None, env: Mapping[str, str]
) -> list[str]:
    if server.problem is not None:
        return [server.problem]
    if isinstance(server, StdioServer):
        if server.cwd is not None and not os.path.isdir(server.cwd):
            return [f'cwd "{server.cwd}" is not a directory']
        if executable is None:
            return [missing_command(server, env)]
    return []


async def _ask(
    name: str, server: StdioServer | HttpServer, probe: Probe, loaded: LoadedConfig, progress: Progress
) -> tuple[ProbeResult, list[str]]:
    """What a server showed, and what is wrong with it."""
    from callmux.upstream.probe import ProbeResult

    seconds = loaded.config.connect_milliseconds(name) / 1000
    heard: deque[str] = deque(maxlen=SHOWN_LINES)

    def hear(line: str) -> None:
        heard.append(line)
        progress.heard(name, line)

    try:
        async with asyncio.timeout(seconds):
            result = await probe(name, server, timeout_seconds=seconds, base_dir=loaded.base_dir, heard=hear)
    except TimeoutError:
        cause = with_words(f"no answer within {seconds:g} s (connectTimeoutMs)", heard)
        return ProbeResult([], cause, tuple(plain(heard))), [f"{FAILED}{cause}"]
    except (OSError, CallmuxError) as error:
        return ProbeResult([], str(error)), [f"{FAILED}{error}"]
    if result.error is not None:
        return result, [f"{FAILED}{result.error}"]
    wanted = {"tools": server.tools or (), "alwaysLoad": server.always_load, "denyTools": server.deny_tools}
    unmatched = [line for key, names in wanted.items() for line in _unmatched(key, names, result.tools)]
    return result, unmatched


def _unmatched(key: str, wanted: tuple[str, ...], tools: list[str]) -> list[str]:
    from difflib import get_close_matches

    found = []
    for tool in wanted:
        if tool not in tools:
            near = get_close_matches(tool, tools, n=1)
            hint = f': did you mean "{near[0]}"?' if near else ""
            found.append(f'{key} names "{tool}", which the server does not have{hint}')
    return found
