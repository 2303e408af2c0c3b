"""callmux's own entry, as the flags of a command ask for it, and the machine it is for.

Called by `callmux.cli.client`, `callmux.cli.setup` and `callmux.cli.migrate`.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from callmux.cli.parsing import Given
from callmux.clients import editing
from callmux.clients.detect import Machine
from callmux.clients.entry import DEFAULT_NAME, Entry
from callmux.clients.program import Program, is_fleeting, lasting_path, start_command
from callmux.config.load import target_config, usual_config
from callmux.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def this_machine() -> Machine:
    """Where files are looked for."""
    return Machine(home=Path.home(), env=os.environ, platform=sys.platform, cwd=Path.cwd())


def this_program() -> Program:
    """The running callmux."""
    import shutil

    python = Path(sys.executable)
    suffix = ".exe" if sys.platform == "win32" else ""
    script = python.with_name(f"callmux{suffix}")
    return Program(
        python=str(python),
        script=str(script) if script.is_file() else None,
        on_path=shutil.which,
        real=os.path.realpath,
        isolated=sys.prefix != sys.base_prefix,
        fleeting=is_fleeting(str(python))
        or is_fleeting(sys.prefix)
        or Path(sys.prefix, "pipx_expires_in").exists(),
        path=os.environ.get("PATH", ""),
    )


@dataclass(frozen=True, slots=True)
class EntryOptions:
    """What the flags of an entry say.

    Attributes:
        name: What it is called.
        url: The listener it leads to; None for a process of its own.
        bridge: Whether it is reached through a bridge.
        token_env: The variable whose value the client sends as a token.
        config: The configuration file, absolute; None for the default one.
    """

    name: str
    url: str | None
    bridge: bool
    token_env: str | None
    config: str | None


def read_entry_options(given: Given, config_option: str | None) -> EntryOptions:
    """What the flags of a command say.

    Raises:
        UsageError: They do not go together, or one cannot be.
    """
    name = entry_name(given)
    url = given.text("--url")
    if given.on("--bridge") and url is None:
        raise UsageError("a bridge client config requires --url: add the listener, or leave --bridge out")
    token_env = given.text("--token-env")
    if token_env is not None and (url is None or given.on("--bridge")):
        raise UsageError("--token-env is for --url without --bridge: a bridge finds its token itself")
    if token_env is not None and not _VARIABLE.fullmatch(token_env):
        raise UsageError(f'--token-env must be the name of an environment variable, not "{token_env}"')
    # A client has neither CALLMUX_CONFIG nor XDG_CONFIG_HOME of this shell: what they name has to stand in
    # the entry.
    path = os.path.abspath(os.path.expanduser(target_config(config_option, os.environ, Path.home())))
    config = None if Path(path) == usual_config(Path.home()) else path
    return EntryOptions(
        name=name,
        url=None if url is None else listener_url(url),
        bridge=given.on("--bridge"),
        token_env=token_env,
        config=config,
    )


def listener_url(url: str) -> str:
    """A listener's URL with its path.

    Raises:
        UsageError: It is no URL.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = None
    if not usable or not url.isprintable() or " " in url:
        raise UsageError(
            f'the client URL must be a valid URL, such as http://127.0.0.1:4860/mcp, not "{url}"'
        )
    return urlunsplit(parts._replace(path="/mcp")) if parts.path in ("", "/") else url


def own_entry(kind: str, options: EntryOptions, program: Program) -> Entry:
    """The entry that is expected in a client's file."""
    if options.url is not None and not options.bridge:
        is_sse = urlsplit(options.url).path.rstrip("/").endswith("/sse")
        return Entry(
            url=options.url,
            transport="sse" if is_sse else "streamable-http",
            token_env=options.token_env,
        )
    start = start_command(program, absolute=editing.has_poor_path(kind))
    if options.url is not None:
        args: tuple[str, ...] = ("bridge", "--url", options.url)
    else:
        args = ("--config", options.config) if options.config else ()
    # A desktop program has a PATH of its own, on which node, npx or uvx are often missing.
    path = lasting_path(program) if editing.has_poor_path(kind) else ""
    return Entry(command=start[0], args=(*start[1:], *args), env={"PATH": path} if path else {})


def entry_name(given: Given) -> str:
    """What the entry is called.

    Raises:
        UsageError: It cannot be called so.
    """
    name = given.text("--name") or DEFAULT_NAME
    if not _NAME.fullmatch(name):
        raise UsageError(f'--name must be a client server name of letters, digits, _ and -, not "{name}"')
    return name


def node_commands(program: Program) -> frozenset[str]:
    """The commands that do not lead to a callmux of this kind: `callmux` and its path, or none.

    They lead to the one for Node, or nowhere: it may be gone already.
    """
    found = program.on_path("callmux")
    if found is None:
        return frozenset({"callmux"})
    real = program.real(found)
    is_node = "node_modules" in real.replace("\\", "/").split("/") or real.endswith((".js", ".mjs", ".cjs"))
    return frozenset({"callmux", found, real}) if is_node else frozenset()
