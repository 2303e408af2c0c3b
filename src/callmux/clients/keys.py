"""Every key that a client documents for the entry of an MCP server, and what becomes of it on moving. Pure.

Read by `callmux.setup.found`, which leaves an entry where it is when `judge` says so; `docs/moving.md` shows
the same, by test. A key that is not here was not known when this was written: its entry stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

Outcome = Literal["carried", "rewritten", "left out", "stays"]
"""`carried`: it means the same behind callmux. `rewritten`: spelled another way. `left out`: nothing depends
on it, and the plan names it. `stays`: callmux cannot keep it, so the entry stays where it is."""


class ClientKey(NamedTuple):
    """A key.

    Attributes:
        name: As the client's file has it.
        meaning: What the client does with it.
        outcome: What becomes of it.
        becomes: Where it goes, or why its entry stays.
        harmless: Says whether a value of it changes nothing; then it is left out and the entry may move.
    """

    name: str
    meaning: str
    outcome: Outcome
    becomes: str
    harmless: Callable[[Any], bool] = lambda value: value is None


class Judgement(NamedTuple):
    """What the keys of an entry mean for moving it.

    Attributes:
        reasons: Why the entry stays; empty where it may move.
        restricts: Whether one of them may restrict what the agent can do with the server.
        notes: What is left out, for people.
    """

    reasons: tuple[str, ...]
    restricts: bool
    notes: tuple[str, ...]


def _empty(value: Any) -> bool:
    return value is None or value in ([], {}, "", False)


def _local(value: Any) -> bool:
    return value in (None, "", "local")


def _automatic(value: Any) -> bool:
    return value in (None, "auto")


def _names(value: Any) -> bool:
    """Whether this is a list of names: anything else in it says more than callmux keeps."""
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


_COMMAND = (
    ClientKey("command", "the program", "carried", "`command`"),
    ClientKey("args", "its arguments", "carried", "`args`"),
    ClientKey("env", "variables for it", "carried", "`env`; secrets go into `envRefs`"),
)
_REMOTE = (
    ClientKey("url", "the server's address", "carried", "`url`"),
    ClientKey("headers", "HTTP headers", "carried", "`headers`; secrets go into files or variables"),
)
_SIGN_IN = "setup does not carry over how a client signs in: use `callmux server add`, then `callmux login`"
_ASKS = "setup does not write `approve`, by which callmux asks before a call"
_NO_HELPER = "callmux runs no helper for headers"
_HERE = "callmux runs servers on this machine"
_DENIED = "`denyTools`, where every client with callmux denies them"
_CWD = ClientKey("cwd", "its working directory", "carried", "`cwd`")
_TYPE = ClientKey(
    "type", "the kind of server", "carried", "`transport`, or nothing where the entry says it already"
)
_DISABLED = ClientKey("disabled", "switches the server off", "carried", "`disabled`")
_ENV_FILE = ClientKey("envFile", "a file of variables for it", "carried", "`envFile`")

_CLAUDE = (
    _TYPE,
    *_COMMAND,
    *_REMOTE,
    ClientKey("timeout", "milliseconds for one call", "carried", "`callTimeoutMs`"),
    ClientKey(
        "headersHelper",
        "a command that prints headers",
        "stays",
        _NO_HELPER,
        _empty,
    ),
    ClientKey("oauth", "how to sign in", "stays", _SIGN_IN, _empty),
    ClientKey(
        "alwaysLoad",
        "its tools are never deferred",
        "stays",
        "callmux marks single tools only (`alwaysLoad`)",
        _empty,
    ),
    ClientKey("tools", "tools with a permission each", "stays", _ASKS, _empty),
    ClientKey("toolPermissions", "a permission for each tool", "stays", _ASKS, _empty),
    ClientKey(
        "orgMaxPermission",
        "the most that the organization permits",
        "stays",
        _ASKS,
        lambda v: v in (None, "allow"),
    ),
    ClientKey(
        "request_timeout_ms", "a time-out from the organization", "stays", "the organization sets it", _empty
    ),
    ClientKey(
        "bareElicitationCapability",
        "how questions are declared",
        "stays",
        "callmux declares what the client can",
        _empty,
    ),
    ClientKey(
        "discoveryCache", "keeps what the server lists", "stays", "callmux keeps listings by itself", _empty
    ),
    ClientKey("role", "what the server is to Claude Code", "stays", "it has another role than tools", _empty),
    ClientKey("displayName", "a name for people", "left out", "nothing acts on it"),
)
_CODEX = (
    *_COMMAND,
    ClientKey("env_vars", "variables that are passed on", "carried", "`env`, as `${NAME:-}`"),
    _CWD,
    ClientKey("url", "the server's address", "carried", "`url`"),
    ClientKey("bearer_token_env_var", "the variable with the token", "rewritten", "a header with `${NAME}`"),
    ClientKey("http_headers", "HTTP headers", "carried", "`headers`"),
    ClientKey(
        "env_http_headers", "headers whose values are variables", "rewritten", "`headers`, as `${NAME}`"
    ),
    ClientKey("enabled", "false switches the server off", "carried", "`disabled`"),
    ClientKey("enabled_tools", "the tools that exist", "carried", "`tools`"),
    ClientKey(
        "disabled_tools",
        "tools that do not exist",
        "carried",
        _DENIED,
    ),
    ClientKey("startup_timeout_sec", "seconds to start", "carried", "`connectTimeoutMs`"),
    ClientKey("startup_timeout_ms", "milliseconds to start", "carried", "`connectTimeoutMs`"),
    ClientKey("tool_timeout_sec", "seconds for one call", "carried", "`callTimeoutMs`"),
    ClientKey("default_tools_approval_mode", "whether Codex asks before a call", "stays", _ASKS, _automatic),
    ClientKey("tools", "an approval mode for single tools", "stays", _ASKS, _empty),
    ClientKey(
        "omit_tools_from",
        "where its tools are not offered",
        "stays",
        "callmux offers tools everywhere",
        _empty,
    ),
    ClientKey(
        "required",
        "Codex does not go on without it",
        "stays",
        "callmux has this for all servers only",
        _empty,
    ),
    ClientKey(
        "startup_readiness",
        "when it counts as started",
        "stays",
        "callmux waits for the list of tools",
        _empty,
    ),
    ClientKey(
        "supports_parallel_tool_calls",
        "its tools may run at once",
        "left out",
        "callmux decides it for each call",
    ),
    ClientKey("auth", "how to sign in", "stays", _SIGN_IN, _empty),
    ClientKey("scopes", "what a sign-in asks for", "stays", _SIGN_IN, _empty),
    ClientKey("oauth", "how to sign in", "stays", _SIGN_IN, _empty),
    ClientKey("oauth_resource", "what a sign-in is for", "stays", _SIGN_IN, _empty),
    ClientKey(
        "http_headers_helper",
        "a command that prints headers",
        "stays",
        _NO_HELPER,
        _empty,
    ),
    ClientKey("environment_id", "where the server runs", "stays", _HERE, _local),
    ClientKey(
        "experimental_environment",
        "the same, in older versions",
        "stays",
        _HERE,
        _local,
    ),
    ClientKey(
        "bearer_token",
        "a token in the file, which Codex refuses",
        "stays",
        "Codex does not accept this entry",
    ),
    ClientKey("name", "a name for people", "left out", "nothing acts on it"),
)
_GEMINI = (
    _TYPE,
    *_COMMAND,
    _CWD,
    ClientKey("url", "the server's address (SSE, or HTTP by `type`)", "carried", "`url`"),
    ClientKey("httpUrl", "the server's address (streamable HTTP)", "carried", "`url` and `transport`"),
    ClientKey("headers", "HTTP headers", "carried", "`headers`"),
    ClientKey("timeout", "milliseconds for one call", "carried", "`callTimeoutMs`"),
    ClientKey(
        "includeTools", "the tools that exist; `name(argument)` counts as `name`", "rewritten", "`tools`"
    ),
    ClientKey(
        "excludeTools",
        "tools that do not exist",
        "carried",
        _DENIED,
    ),
    ClientKey("trust", "no question before a call", "stays", "behind callmux Gemini CLI would ask", _empty),
    ClientKey("tcp", "a WebSocket address", "stays", "callmux has no WebSocket transport", _empty),
    ClientKey("oauth", "how to sign in", "stays", _SIGN_IN, _empty),
    ClientKey(
        "authProviderType", "how to sign in", "stays", _SIGN_IN, lambda v: v in (None, "dynamic_discovery")
    ),
    ClientKey("targetAudience", "whom a sign-in is for", "stays", _SIGN_IN, _empty),
    ClientKey("targetServiceAccount", "as whom to sign in", "stays", _SIGN_IN, _empty),
    ClientKey("extension", "the extension that owns the server", "stays", "an extension owns it", _empty),
    ClientKey("description", "a text for people", "left out", "nothing acts on it"),
)
_CURSOR = (
    _TYPE,
    *_COMMAND,
    _ENV_FILE,
    _CWD,
    *_REMOTE,
    ClientKey("auth", "how to sign in", "stays", _SIGN_IN, _empty),
    _DISABLED,
)
_VSCODE = (
    _TYPE,
    *_COMMAND,
    _ENV_FILE,
    _CWD,
    *_REMOTE,
    ClientKey("sandboxEnabled", "runs the server in a sandbox", "stays", "callmux has no sandbox", _empty),
    ClientKey("sandbox", "what the sandbox allows", "stays", "callmux has no sandbox", _empty),
    ClientKey("oauth", "how to sign in", "stays", _SIGN_IN, _empty),
    ClientKey(
        "dev", "watches files and debugs the server", "stays", "callmux has `watch`, and no debugger", _empty
    ),
    ClientKey("gallery", "where it was installed from", "left out", "nothing acts on it"),
    ClientKey("version", "which version was installed", "left out", "nothing acts on it"),
)
_WINDSURF = (
    _TYPE,
    *_COMMAND,
    ClientKey("serverUrl", "the server's address", "carried", "`url`"),
    *_REMOTE,
    _DISABLED,
    ClientKey(
        "disabledTools",
        "tools that do not exist",
        "carried",
        _DENIED,
    ),
    ClientKey(
        "alwaysAllow",
        "tools that run without a question",
        "stays",
        "behind callmux Windsurf would ask",
        _empty,
    ),
)
_DESKTOP = (_TYPE, *_COMMAND)

KEYS: dict[str, tuple[ClientKey, ...]] = {
    "claude": _CLAUDE,
    "codex": _CODEX,
    "claude-desktop": _DESKTOP,
    "cursor": _CURSOR,
    "vscode": _VSCODE,
    "windsurf": _WINDSURF,
    "gemini": _GEMINI,
}
"""By client, in the order in which the documentation shows them."""

DENYING = {"codex": "disabled_tools", "gemini": "excludeTools", "windsurf": "disabledTools"}
"""The key of an entry that takes tools away."""
_LISTS = frozenset({*DENYING.values(), "enabled_tools", "includeTools"})


def judge(kind: str, raw: Mapping[str, Any]) -> Judgement:
    """What the keys of a raw entry mean for moving it."""
    known = {key.name: key for key in KEYS.get(kind, ())}
    reasons: list[str] = []
    restricts = False
    notes: list[str] = []
    for name, value in raw.items():
        key = known.get(name)
        if key is None:
            reasons.append(f'its key "{name}" is not known to callmux')
            restricts = True
        elif name in _LISTS and value is not None and not _names(value):
            reasons.append(f'its key "{name}" is not a list of names')
            restricts = True
        elif key.outcome == "stays" and not key.harmless(value):
            reasons.append(f'its key "{name}": {key.becomes}')
            restricts = restricts or key.becomes not in (_SIGN_IN, _NO_HELPER)
        elif key.outcome == "left out":
            notes.append(f'loses its key "{name}": {key.becomes}')
    if any(isinstance(item, Mapping) and item.get("source") not in (None, "local") for item in _items(raw)):
        reasons.append('its key "env_vars" takes a variable from another machine')
    return Judgement(tuple(reasons), restricts, tuple(notes))


def _items(raw: Mapping[str, Any]) -> list[Any]:
    value = raw.get("env_vars")
    return value if isinstance(value, list) else []
