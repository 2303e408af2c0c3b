"""The root of the configuration, with the defaults of every global key. Pure.

Made by `callmux.config.load` (a file) and `callmux.cli.inline` (the command line); read by
`callmux.process.runtime` and by everything that is wired there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from msgspec import field

from callmux.config import kinds
from callmux.config.observing import AuditLog, Dashboard, EventStore, Metrics, OpenTelemetry
from callmux.config.profiles import Profile
from callmux.config.recipes import Recipe
from callmux.config.results import CachePolicy, ResponseShield, SchemaCompression
from callmux.config.section import Items, Problem, Section
from callmux.config.security import Auth, Authorization, Management, Tls
from callmux.config.servers import HttpServer, Server, StdioServer
from callmux.config.state import StateSection
from callmux.config.traffic import AbuseControls, ReconnectPolicy
from callmux.names import DEFAULT_LIMIT

__all__ = ["Config", "HttpServer", "StdioServer"]


class Config(Section, frozen=True, kw_only=True):
    """Everything a configuration file can say.

    Attributes:
        servers: The MCP servers by name. `mcpServers` is the same in the style of MCP clients; a file has
            exactly one of the two.
        preset: One word for several keys: `lean` costs an agent the least context. What the file says itself
            goes before it.
        persona: What is listed fits the client: `auto` by its name, `none`, or the name of a kind of clients.
            Absent, every client is listed the same.
        cache_ttl_seconds: How long results of reading tools are kept; 0 for no cache.
        cache_policy: Which tools may be cached.
        max_cache_entries: How many results are cached.
        max_cache_entry_bytes: The largest result that is cached.
        max_cache_bytes: What all cached results may take together.
        max_concurrency: Calls at a time, to all servers together.
        max_calls_per_request: Calls, items or steps of one request.
        connect_timeout_ms: Time to connect to a server and list its tools.
        call_timeout_ms: Time for one call.
        reload_drain_timeout_ms: How long calls may still run after a reload; the longest call time-out plus
            a second where absent.
        reconnect_policy: How a lost server is connected again.
        session_cwd_idle_ttl_seconds: How long a server process of one directory stays without calls; 0 ends
            it after each call.
        listener_session_inactivity_ttl_seconds: How long a client's session stays without requests; 0 for
            ever.
        listener_max_sessions: Sessions at a time.
        session_cwd_roots: Directories that clients of other machines, and all with a token, may work in, with
            everything below them, relative to the configuration file; any directory where absent.
        max_scoped_clients: Connections for single directories, credentials or other capabilities, all servers
            together.
        max_scoped_clients_per_server: The same for each server.
        file_reference_roots: Directories whose files arguments may name, relative to the configuration file;
            where absent, clients of a listener cannot name files.
        strict_startup: Do not start if any server fails.
        meta_only: List only the `callmux_*` tools.
        tool_index_tokens: With `metaOnly`, tokens that an index of the servers' tools may take in the
            descriptions of the `callmux_*` tools; 0 for no index.
        expose_meta_tools: List the `callmux_*` tools.
        always_load_meta_tools: The `callmux_*` tools ask clients that defer tools to load them at once.
        description_max_length: Where descriptions in `callmux_status` are cut; nowhere where absent.
        output_format: Text of answers: `json`, `toon`, `auto`, `plain`, or `shortest`: fewest tokens.
        tool_name_limit: Characters of a tool's name; longer names, and names with characters that clients
            refuse, are shortened. 0 leaves all names alone.
        start: `eager` to start servers with callmux, `lazy` to start each when somebody needs it first.
        idle_stop_seconds: How long a server goes on once nothing depends on it; 0 for ever. The next call
            starts it again.
        list_wait_ms: How long the first listing waits for servers of which nothing is kept; then they join it
            at its end. A listing with nothing in it waits on.
        max_concurrent_starts: How many servers start at a time; whoever a call waits for goes first.
        max_processes_per_server: How many of each server, where it does not say itself; any number where
            absent.
        max_processes: How many processes of servers there may be at a time; any number where absent. One
            more waits for ten seconds; one that may be stopped and has nothing to do makes room.
        keep_listings: Keep what servers list, and show it while they start the next time.
        response_shield: Limits for large results.
        schema_compression: Shortening of tool definitions.
        request_body_max_bytes: Largest HTTP request; 0 for any.
        allow_request_body_max_override: Let clients raise it with `x-callmux-max-body-bytes`.
        allow_insecure_remote_listener: Listen on other addresses than loopback without `auth`.
        tls: The certificate of a listener that speaks https.
        auth: Who may use the listener.
        authorization: Who may use what. It holds for a listener; on stdio only with `stdioPrincipal`.
        approve: Calls that a person is asked about before they are made: `read`, `write` or `destroy`, each
            with what is above it, and names or patterns of tools with `*`.
        approval_timeout_ms: How long a question to a person waits for its answer; nothing is done then.
        stdio_principal: Who the client on stdio is for `authorization`: the principal `stdio:<this>`.
        profiles: Named parts of what there is, for certain work or people.
        profile: The one of them that clients get who ask for none and are given none; `--profile` goes
            before it.
        abuse_controls: Limits for clients.
        audit_log: A line for each request.
        metrics: Counters for Prometheus.
        open_telemetry: Traces and metrics for a collector.
        dashboard: A page for people.
        event_store: A database of past calls.
        management: An HTTP interface to change servers.
        state: Where several listeners keep what they share; each in its memory where absent.
        recipes: Named workflows.
    """

    servers: dict[str, Server] = field(default_factory=dict)
    preset: kinds.Preset | None = None
    persona: kinds.Persona | None = None
    cache_ttl_seconds: kinds.NonNegative = 0
    cache_policy: CachePolicy = CachePolicy()
    max_cache_entries: kinds.Positive = 1000
    max_cache_entry_bytes: kinds.Positive = 8388608
    max_cache_bytes: kinds.Positive = 134217728
    max_concurrency: kinds.Positive = 20
    max_calls_per_request: kinds.Positive = 10000
    connect_timeout_ms: kinds.Milliseconds = 30000
    call_timeout_ms: kinds.Milliseconds = 180000
    reload_drain_timeout_ms: kinds.Milliseconds | None = None
    reconnect_policy: ReconnectPolicy = ReconnectPolicy()
    session_cwd_idle_ttl_seconds: kinds.NonNegative = 600
    listener_session_inactivity_ttl_seconds: kinds.NonNegative = 1800
    listener_max_sessions: kinds.Positive = 1000
    session_cwd_roots: Annotated[tuple[kinds.Directory, ...], Items(unique=True)] | None = None
    max_scoped_clients: kinds.Positive = 64
    max_scoped_clients_per_server: kinds.Positive = 16
    file_reference_roots: Annotated[tuple[kinds.Directory, ...], Items(unique=True)] | None = None
    strict_startup: kinds.Flag = False
    meta_only: kinds.Flag = False
    tool_index_tokens: kinds.NonNegative = 0
    expose_meta_tools: kinds.Flag = True
    always_load_meta_tools: kinds.Flag = True
    description_max_length: kinds.Positive | None = None
    output_format: kinds.OutputFormat = "json"
    tool_name_limit: kinds.NonNegative = DEFAULT_LIMIT
    start: kinds.Start = "eager"
    idle_stop_seconds: kinds.NonNegative = 0
    list_wait_ms: kinds.Milliseconds = 8000
    max_concurrent_starts: kinds.Positive = 20
    max_processes: kinds.Positive | None = None
    max_processes_per_server: kinds.Positive | None = None
    keep_listings: kinds.Flag = True
    response_shield: ResponseShield = ResponseShield()
    schema_compression: SchemaCompression = SchemaCompression()
    request_body_max_bytes: kinds.NonNegative = 1048576
    allow_request_body_max_override: kinds.Flag = False
    allow_insecure_remote_listener: kinds.Flag = False
    tls: Tls | None = None
    auth: Auth | None = None
    authorization: Authorization | None = None
    approve: Annotated[tuple[kinds.NonBlank, ...], Items(unique=True)] = ()
    approval_timeout_ms: kinds.Milliseconds = 300000
    stdio_principal: kinds.NonBlank | None = None
    profiles: dict[str, Profile] = field(default_factory=dict)
    profile: kinds.NonBlank | None = None
    abuse_controls: AbuseControls = AbuseControls()
    audit_log: AuditLog = AuditLog()
    metrics: Metrics = Metrics()
    open_telemetry: OpenTelemetry = OpenTelemetry()
    dashboard: Dashboard = Dashboard()
    event_store: EventStore = EventStore()
    management: Management = Management()
    state: StateSection | None = None
    recipes: dict[str, Recipe] = field(default_factory=dict)

    @staticmethod
    def conflicts(raw: Mapping[str, Any]) -> Iterable[Problem]:
        if raw.get("metaOnly") is True and raw.get("exposeMetaTools") is False:
            yield "", "metaOnly and exposeMetaTools: false are mutually exclusive: no tool would be listed"
        profile, profiles = raw.get("profile"), raw.get("profiles")
        if isinstance(profile, str) and not (isinstance(profiles, dict) and profile in profiles):
            yield "profile", "must be the name of one of profiles"
        recipes = raw.get("recipes")
        if isinstance(recipes, dict) and any(not name.strip() for name in recipes):
            yield "recipes", "recipe names must be non-empty strings"
        for place, entry in _entries(raw, "approve"):
            if entry not in _TIERS and (tier := entry.strip().lower()) in _TIERS:
                yield place, f'must be "{tier}" to mean all that may {tier}: "{entry}" is no tool\'s name'

    @staticmethod
    def remarks(raw: Mapping[str, Any]) -> Iterable[Problem]:
        if raw.get("toolIndexTokens") and not raw.get("metaOnly"):
            yield "toolIndexTokens", "has no effect without metaOnly: the tools themselves are listed"
        for place, entry in _entries(raw, "approve"):
            if entry not in _TIERS and "*" not in entry and "__" not in entry:
                from difflib import get_close_matches

                if near := get_close_matches(entry.strip().lower(), _TIERS, n=1, cutoff=0.75):
                    yield place, f'means tools of the name "{entry}": did you mean "{near[0]}"?'

    def connect_milliseconds(self, server: str) -> int:
        """Time to connect to a server and list its tools: its own, else the global one."""
        return self.servers[server].connect_timeout_ms or self.connect_timeout_ms

    @property
    def list_seconds(self) -> float:
        """How long a listing waits for servers of which nothing is known."""
        return self.list_wait_ms / 1000

    @property
    def index_tokens(self) -> int:
        """Tokens that an index of the tools takes in place of their definitions; 0 where there is none."""
        return self.tool_index_tokens if self.meta_only else 0

    def is_lazy(self, server: str) -> bool:
        """Whether it is started only when somebody needs it."""
        return (self.servers[server].start or self.start) == "lazy"

    def idle_seconds(self, server: str) -> float | None:
        """How long it goes on once nothing depends on it: its own, else the global one; None for ever."""
        own = self.servers[server].idle_stop_seconds
        return (self.idle_stop_seconds if own is None else own) or None

    def most_processes(self, server: str) -> int | None:
        """How many processes of it there may be: its own bound, else the one of each server; None for any."""
        entry = self.servers[server]
        own = entry.max_processes if isinstance(entry, StdioServer) else None
        return self.max_processes_per_server if own is None else own

    @property
    def longest_connect_milliseconds(self) -> int:
        """The same for the server that is given the longest."""
        return max(
            self.connect_timeout_ms, *(server.connect_timeout_ms or 0 for server in self.servers.values()), 0
        )


_TIERS = ("read", "write", "destroy")


def _entries(raw: Mapping[str, Any], key: str) -> Iterable[tuple[str, str]]:
    """The strings of a list as in the file, each with its place."""
    given = raw.get(key)
    items = enumerate(given) if isinstance(given, list) else ()
    return ((f"{key}[{n}]", entry) for n, entry in items if isinstance(entry, str))
