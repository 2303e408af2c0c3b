"""Each client: where it keeps its servers, and how it writes them: keys, words for transports. Pure.

One row a client; read by `callmux.clients.json_files`, `callmux.clients.detect` and by whoever shows a
snippet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from callmux.clients.entry import ClientFileError, Entry, strings

_INPUT = re.compile(r"\$\{input:([^}]+)\}")
_FOREIGN_VARIABLE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Where a client keeps its servers; `callmux.clients.detect` makes paths of it.

    Attributes:
        own: The user's file, below the home directory or where desktop programs keep their settings.
        desktop: Whether it is below the latter.
        moved_by: The environment variable that names another directory for the file, or None.
        sign: The directory in the home directory that shows that the client is used; None for the own file's.
        project: A project's file, below its directory; None where projects have none.
        project_at_home: Whether that file is one of a project in the home directory, too, and not the user's
            own.
    """

    own: tuple[str, ...]
    desktop: bool = False
    moved_by: str | None = None
    sign: str | None = None
    project: tuple[str, ...] | None = None
    project_at_home: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The format of one client.

    Attributes:
        files: Where its files are; None where nobody knows.
        kind: The client's name in our commands.
        title: Its name for people.
        section: The key that holds its servers.
        url_key: The key of an address, for streamable HTTP.
        sse_key: The same for legacy SSE.
        typed: Whether an entry says `type`.
        commands_only: Whether it cannot reach an address; a bridge is needed.
        poor_path: Whether it is started from a desktop, where `PATH` lacks what a shell has.
        variable: How it writes an environment variable in a header; None where it cannot.
        reload: What makes it read its file again.
    """

    kind: str
    title: str
    files: Files | None = None
    section: str = "mcpServers"
    url_key: str = "url"
    sse_key: str = "url"
    typed: bool = False
    commands_only: bool = False
    poor_path: bool = True
    variable: str | None = None
    reload: str = "Restart it."


DIALECTS = {
    dialect.kind: dialect
    for dialect in (
        Dialect(
            kind="claude",
            title="Claude Code",
            files=Files(
                own=(".claude.json",),
                moved_by="CLAUDE_CONFIG_DIR",
                sign=".claude",
                project=(".mcp.json",),
                project_at_home=True,
            ),
            typed=True,
            poor_path=False,
            variable="${%s}",
            reload="Start a new session, or type /mcp.",
        ),
        Dialect(
            kind="claude-desktop",
            title="Claude Desktop",
            files=Files(own=("Claude", "claude_desktop_config.json"), desktop=True),
            commands_only=True,
            reload="Quit and reopen it.",
        ),
        Dialect(
            kind="cursor",
            title="Cursor",
            files=Files(own=(".cursor", "mcp.json"), project=(".cursor", "mcp.json")),
            variable="${env:%s}",
            reload="Switch it on under Settings, MCP.",
        ),
        Dialect(
            kind="vscode",
            title="VS Code",
            files=Files(own=("Code", "User", "mcp.json"), desktop=True, project=(".vscode", "mcp.json")),
            section="servers",
            typed=True,
            reload="Run the command MCP: List Servers and start it.",
        ),
        Dialect(
            kind="windsurf",
            title="Windsurf",
            files=Files(own=(".codeium", "windsurf", "mcp_config.json")),
            url_key="serverUrl",
            sse_key="serverUrl",
            variable="${env:%s}",
            reload="Press Refresh in its MCP panel.",
        ),
        Dialect(
            kind="gemini",
            title="Gemini CLI",
            files=Files(own=(".gemini", "settings.json"), project=(".gemini", "settings.json")),
            url_key="httpUrl",
            poor_path=False,
            variable="${%s}",
            reload="Start a new session.",
        ),
        Dialect(kind="generic", title="another client (an mcpServers file)", typed=True),
    )
}
"""Those of the clients that keep their servers in JSON, by kind."""
CODEX = Dialect(
    kind="codex",
    title="Codex",
    files=Files(own=(".codex", "config.toml"), moved_by="CODEX_HOME", project=(".codex", "config.toml")),
    section="mcp_servers",
    poor_path=False,
    reload="Start a new session.",
)
"""Its file is TOML: `callmux.clients.codex` reads and writes it."""
CLIENTS = {"claude": DIALECTS["claude"], "codex": CODEX, **DIALECTS}
"""Every client by kind, in the order in which they are shown."""

SHAPE_KEYS = frozenset({"type", "command", "args", "url", "serverUrl", "httpUrl", "transport"})
"""The keys of an entry that say where the server is: ours in our own entry. All others are the user's."""


def render(dialect: Dialect, entry: Entry) -> dict[str, Any]:
    """An entry as the client's file has it.

    Raises:
        ClientFileError: The client cannot have such an entry.
    """
    if entry.command is not None:
        kind = {"type": "stdio"} if dialect.kind == "vscode" else {}
        more = {"env": dict(entry.env)} if entry.env else {}
        return {**kind, "command": entry.command, "args": list(entry.args), **more}
    if dialect.commands_only:
        raise ClientFileError(
            f"{dialect.title} starts programs only and cannot reach {entry.url}: add --bridge"
        )
    sse = entry.transport == "sse"
    shown: dict[str, Any] = {"type": "sse" if sse else "http"} if dialect.typed else {}
    shown[dialect.sse_key if sse else dialect.url_key] = entry.url
    headers = dict(entry.headers)
    if entry.token_env is not None:
        if dialect.variable is None:
            raise ClientFileError(
                f"{dialect.title} puts no environment variables into headers: use --bridge in place of"
                " --token-env"
            )
        headers["Authorization"] = f"Bearer {dialect.variable % entry.token_env}"
    return {**shown, "headers": headers} if headers else shown


def read_entry(raw: Any) -> Entry:
    """An entry of any of these clients.

    Raises:
        ClientFileError: It has neither a command nor an address, or words that are no text.
    """
    if not isinstance(raw, Mapping):
        raise ClientFileError("is not an object")
    address, transport = _address(raw)
    command = raw.get("command")
    args = raw.get("args", [])
    if address is None and not (isinstance(command, str) and command.strip()):
        raise ClientFileError('has neither "command" nor "url"')
    if not isinstance(args, list) or not all(isinstance(word, str | int | float) for word in args):
        raise ClientFileError('"args" is not a list of words')
    timeout = raw.get("timeout")
    tools, denied = raw.get("includeTools"), raw.get("excludeTools", raw.get("disabledTools"))
    cwd, env_file = raw.get("cwd"), raw.get("envFile")
    return Entry(
        command=None if address is not None else plain(str(command)),
        args=() if address is not None else tuple(plain(str(word)) for word in args),
        env={key: plain(value) for key, value in strings(raw.get("env")).items()},
        cwd=plain(cwd) if isinstance(cwd, str) and cwd else None,
        url=plain(address) if address is not None else None,
        transport=transport,
        headers={key: plain(value) for key, value in strings(raw.get("headers")).items()},
        timeout_ms=timeout if type(timeout) is int and timeout > 0 else None,
        env_file=plain(env_file) if isinstance(env_file, str) and env_file else None,
        tools=tuple(map(_bare, tools)) if isinstance(tools, list) else None,
        denied=tuple(map(_bare, denied)) if isinstance(denied, list) else (),
        # Clients are written in JavaScript, where "true" and 1 are as true as true: what may be off is off.
        disabled=bool(raw.get("disabled")),
        input_names=tuple(dict.fromkeys(_INPUT.findall(str(raw)))),
    )


def _bare(tool: Any) -> str:
    """A tool without the `(argument)` that Gemini CLI allows behind it."""
    return str(tool).partition("(")[0].strip()


def _address(raw: Mapping[str, Any]) -> tuple[str | None, Literal["streamable-http", "sse"] | None]:
    said = str(raw.get("type") or raw.get("transport") or "").lower()
    for key in ("url", "serverUrl", "httpUrl"):
        value = raw.get(key)
        if isinstance(value, str) and value.strip():
            if said == "sse":
                return value, "sse"
            streams = key == "httpUrl" or said in ("http", "streamable-http", "streamablehttp")
            return value, "streamable-http" if streams else None
    return None, None


def plain(text: str) -> str:
    """Text with the clients' `${env:NAME}` as `${NAME}`, which is how callmux writes it."""
    return _FOREIGN_VARIABLE.sub(r"${\1}", text)
