"""The MCP servers behind callmux: one entry each under `servers` (or `mcpServers`). Pure.

Read through `callmux.config.model`; used by `callmux.upstream` to connect and by the policies of each server.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeAlias

from msgspec import field, structs

from callmux.config import kinds
from callmux.config.oauth import OAuth
from callmux.config.references import Template
from callmux.config.results import CachePolicy, ServerCompression, ServerShield
from callmux.config.section import Choice, Internal, Items, Problem, Section


class CommonServer(Section, frozen=True, kw_only=True):
    """What both kinds of server have.

    Attributes:
        type: The kind of server, as other programs' files name it: `stdio` for a command, `http` (or
            `streamable-http`) and `sse` for a URL. Optional; it must fit the rest of the entry.
        tools: The tools that exist for clients, by the names the server gives them; all where absent, none
            where empty.
        deny_tools: Tools that do not exist for clients, by the names the server gives them; stronger than
            `tools`.
        tiers: What tools may do, where what they say of themselves is not to be believed: names or patterns
            with `*`, each with `read`, `write` or `destroy`.
        prompts: The prompts that exist for clients, by the names the server gives them; all where absent.
        resources: The resources that exist for clients: URIs or patterns with `*`; all where absent.
        always_load: Tools that clients with deferred tools should load at once.
        prefix: What stands before `__` in the names of its tools; the server's key where absent, nothing
            where empty.
        cache_policy: Which tools may be cached, on top of the global policy.
        response_shield: Limits for large results, in place of the global ones.
        schema_compression: Shortening of tool definitions, in place of the global setting.
        max_concurrency: Calls to this server at a time; only the global limit where absent.
        max_scoped_clients: Connections for single directories or credentials; `maxScopedClientsPerServer`
            where absent.
        call_timeout_ms: Time for one call; the global one where absent.
        connect_timeout_ms: Time to connect to it and list its tools; the global one where absent.
        request_body_max_bytes: Largest HTTP request that targets it, 0 for any; the global one where absent.
        start: `eager` to start it with callmux, `lazy` when somebody needs it first; the global one where
            absent.
        idle_stop_seconds: How long it goes on once nothing depends on it, 0 for ever; the global one where
            absent. The next call starts it again: only for servers that remember nothing between calls.
        disabled: Do not connect and do not list its tools.
        problem: Why this server cannot be started, found while reading the configuration.
        filled: What its variables were filled in with: it may be secret.
        templates: Values that are made of references, by their path in the entry, such as `env.TOKEN`. The
            values themselves stay as they are written; they are looked up whenever it is connected.
    """

    type: kinds.ServerType | None = None
    tools: tuple[kinds.Text, ...] | None = None
    deny_tools: tuple[kinds.Text, ...] = ()
    tiers: dict[str, kinds.Tier] = field(default_factory=dict)
    prompts: tuple[kinds.Text, ...] | None = None
    resources: tuple[kinds.Text, ...] | None = None
    always_load: tuple[kinds.Text, ...] = ()
    prefix: kinds.Prefix | None = None
    cache_policy: CachePolicy = CachePolicy()
    response_shield: ServerShield = ServerShield()
    schema_compression: ServerCompression = ServerCompression()
    max_concurrency: kinds.Positive | None = None
    max_scoped_clients: kinds.Positive | None = None
    call_timeout_ms: kinds.Milliseconds | None = None
    connect_timeout_ms: kinds.Milliseconds | None = None
    request_body_max_bytes: kinds.NonNegative | None = None
    start: kinds.Start | None = None
    idle_stop_seconds: kinds.NonNegative | None = None
    disabled: kinds.Flag = False
    problem: Annotated[str | None, Internal()] = None
    filled: Annotated[tuple[str, ...], Internal()] = ()
    templates: Annotated[dict[str, Template], Internal()] = field(default_factory=dict)

    def exposes(self, tool: str) -> bool:
        """Whether a tool exists for clients, by the name that the server gives it."""
        return (self.tools is None or tool in self.tools) and tool not in self.deny_tools


class StdioServer(CommonServer, frozen=True, kw_only=True):
    """A server that callmux starts as a child process.

    Attributes:
        command: The program: a path, or a name on `PATH`.
        args: Its arguments.
        env: Variables for it, on top of the inherited environment.
        env_refs: Variables whose value is looked up when the process starts, as `env:NAME`, `file:PATH`
            (relative to the configuration file), `keyring:NAME` or `cmd:COMMAND`; stronger than `env`.
        env_file: A file of `NAME=VALUE` lines, read when the process starts (relative to the configuration
            file); `env` and `envRefs` are stronger.
        cwd: Its working directory; a relative one counts from where callmux was started.
        watch: Files whose change restarts it while sessions go on, as patterns with `*`, `?`, `[...]` and
            `**`; relative to `cwd`, or to the configuration file's directory if there is no `cwd`.
        cwd_mode: `session` for one process per client directory, `global` for one process; in the listener
            `session` where the client's directory is known, else `global`.
        require_session_cwd: Refuse calls of clients whose directory is not known.
        max_processes: How many processes of it there may be at a time; `maxProcessesPerServer` where absent.
        detached: `end` to end what it has started in sessions of their own once the server ends, `leave` to
            let that run on, such as a daemon that others share.
    """

    command: kinds.Text
    args: tuple[kinds.Text, ...] = ()
    env: dict[str, kinds.Text] = field(default_factory=dict)
    env_refs: dict[str, kinds.EnvironmentReference] = field(default_factory=dict)
    env_file: kinds.Text | None = None
    cwd: kinds.Text | None = None
    watch: tuple[kinds.Text, ...] = ()
    cwd_mode: kinds.CwdMode | None = None
    require_session_cwd: kinds.Flag = False
    max_processes: kinds.Positive | None = None
    detached: kinds.Detached = "end"

    @staticmethod
    def conflicts(raw: Mapping[str, Any]) -> Iterable[Problem]:
        kind = str(raw.get("type"))
        if kind in TRANSPORTS:
            yield "type", f'is "{kind}", but the server has a command: use "stdio", or "url" instead'


class HttpServer(CommonServer, frozen=True, kw_only=True):
    """A server that callmux reaches at a URL.

    Attributes:
        url: Its endpoint.
        transport: `streamable-http` or `sse`; where absent, the first is tried before the second.
        headers: HTTP headers sent with every request.
        forward_headers: Headers of the client's request that are passed on (lower case).
        response_body_max_bytes: Largest answer, or event of a stream, that is taken from it.
        oauth: How callmux signs in to it, where that cannot be found out or is to be otherwise.
        sign_in: Where the listener has `auth`: `own` for a sign-in of each principal, `shared` for one that
            all of them use.
        apart: There are principals, and none of them may use the sign-in of another, or of this machine's
            user.
    """

    url: kinds.Text
    transport: kinds.Transport | None = None
    headers: dict[str, kinds.Text] = field(default_factory=dict)
    forward_headers: Annotated[tuple[kinds.HeaderName, ...], Items(unique=True)] = ()
    response_body_max_bytes: kinds.Positive = 67108864
    oauth: OAuth | None = None
    sign_in: kinds.SignIn = "own"
    apart: Annotated[bool, Internal()] = False

    @staticmethod
    def conflicts(raw: Mapping[str, Any]) -> Iterable[Problem]:
        kind, transport = str(raw.get("type")), str(raw.get("transport"))
        if kind == "stdio":
            yield "type", 'is "stdio", but the server has a URL: use "http" or "sse", or "command" instead'
        elif kind in TRANSPORTS and transport in TRANSPORTS.values() and TRANSPORTS[kind] != transport:
            yield "type", f'is "{kind}", but transport is "{transport}": remove one of them'


def divided(server: StdioServer | HttpServer) -> StdioServer | HttpServer:
    """A server as it is for principals who prove who they are."""
    if isinstance(server, StdioServer) or server.sign_in == "shared":
        return server
    return structs.replace(server, apart=True)


def signs_in_each(server: StdioServer | HttpServer) -> bool:
    """Whether each principal has a sign-in, and with it connections, of his own to a divided server."""
    if isinstance(server, StdioServer) or not server.apart or server.oauth is None:
        return False
    names = {*map(str.lower, server.headers), *server.forward_headers}
    return "authorization" not in names and server.oauth.grant != "client_credentials"


TRANSPORTS = {"http": "streamable-http", "streamable-http": "streamable-http", "sse": "sse"}
"""What `type` says about `transport`."""


def _choose(raw: Mapping[str, Any]) -> type[Section] | Problem:
    command, url = (isinstance(raw.get(key), str) and raw[key] != "" for key in ("command", "url"))
    if command and url:
        return "", 'cannot have both "command" and "url"'
    if command or url:
        return StdioServer if command else HttpServer
    if isinstance(raw.get("command"), list):
        return (
            "command",
            'must be a string: put the program into "command" and the words behind it into "args"',
        )
    return "", 'must have either "command" (stdio) or "url" (http/sse)'


Server: TypeAlias = Annotated[
    StdioServer | HttpServer, Choice(choose=_choose, options=[StdioServer, HttpServer])
]
