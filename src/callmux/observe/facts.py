"""What can happen, each as a frozen record; what happens to servers stands beside. Pure.

Published on `callmux.observe.bus` by whom each docstring names; read by whoever has subscribed to the kind.
No record holds arguments, results or credentials; `HttpEnded.body` is the one exception, and is there only
where the audit log is configured to show it. The two that are made with every call take their values by
position: by name, that is six times the work.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from callmux.guard.principal import Principal
from callmux.observe.fact import CANCELLED as CANCELLED
from callmux.observe.fact import FAILED as FAILED
from callmux.observe.fact import OK as OK
from callmux.observe.fact import TOOL_ERROR as TOOL_ERROR
from callmux.observe.fact import Fact as Fact
from callmux.observe.server_facts import ConnectFailed as ConnectFailed
from callmux.observe.server_facts import ListsChanged as ListsChanged
from callmux.observe.server_facts import ServerDown as ServerDown
from callmux.observe.server_facts import ServerRemoved as ServerRemoved
from callmux.observe.server_facts import ServerUp as ServerUp
from callmux.observe.server_facts import SignInNeeded as SignInNeeded
from callmux.observe.server_facts import ToolSuiteChanged as ToolSuiteChanged

if TYPE_CHECKING:
    from callmux.config.model import Config


class HttpEnded(Fact, frozen=True):
    """The answer to an HTTP request is over. Published by `callmux.transport.http.app`.

    Attributes:
        request_id: Its `x-request-id`.
        method, path: As they came; the path without the query.
        route: What the path means, from a fixed list; empty where it means nothing.
        status: That of the answer; 499 where the client left before the answer was complete.
        seconds: From the end of its head to the end of the answer.
        peer, principal: From which address, and from whom.
        body: What it brought, where that is wanted and was read.
    """

    request_id: str
    method: str
    path: str
    route: str
    status: int
    seconds: float
    peer: str | None = None
    principal: Principal | None = None
    body: bytes | None = None


class RequestEnded(Fact, frozen=True, kw_only=True):
    """A client's MCP request has its answer, or was given up. Published by `callmux.session.observing`.

    Attributes:
        method: The MCP method.
        name: The tool, prompt or URI it names, as the client spelled it; empty where it names none.
        calls: How many calls to servers it asks for.
        outcome: `ok`, `tool_error`, `failed` or `cancelled`.
        code: The code of a failure of callmux, or of a JSON-RPC error; empty for none.
        seconds: From its coming to its answer.
        size: Bytes of the result.
        session_id: Names the session in status; empty on stdio.
        request_id: The `x-request-id` of the HTTP request that brought it; empty on stdio.
        client: The name in the client's `clientInfo`.
        principal: Who asked.
        request: Stands for it until it is over.
    """

    method: str
    name: str = ""
    calls: int = 0
    outcome: str = OK
    code: str = ""
    seconds: float
    size: int = 0
    session_id: str = ""
    request_id: str = ""
    client: str = ""
    principal: Principal | None = None
    request: int = 0


class CallEnded(Fact, frozen=True):
    """One request to one server is over: a direct call, each call of a fan-out, a prompt, a resource.
    Published by `callmux.rings.observing`, also where the cache answered; not where authorization refused it
    (`Denied`).

    Attributes:
        server: The server's key in the configuration.
        method: The MCP method.
        target: The tool's own name, the prompt's, or the URI.
        spelled: The name as the caller wrote it.
        within: The meta-tool that made it; empty for a direct call.
        outcome: `ok`, `tool_error`, `failed` or `cancelled`.
        code: The code of the failure; empty for none.
        category: The category of the failure, such as `timeout`; empty where it has none.
        source: `server`; `cache`; or `shared`, for one that waited for an equal call under way.
        attempts: How often it was sent; 0 where it was not.
        seconds: How long it took, waiting for a turn included.
        waited: How much of that it waited for its turn.
        sent, received: Bytes of the arguments and of the result.
        session_id, request_id, principal: As in `RequestEnded`.
        listed: Whether the server lists the tool; else a caller may have made its name up.
        request: Stands for the request of the client: `RequestEnded` has the same.
        forwarded: Names of headers of the client that went with it.
    """

    server: str
    method: str
    target: str
    spelled: str
    seconds: float
    within: str = ""
    outcome: str = OK
    code: str = ""
    category: str = ""
    source: str = "server"
    attempts: int = 1
    waited: float = 0.0
    sent: int = 0
    received: int = 0
    session_id: str = ""
    request_id: str = ""
    principal: Principal | None = None
    listed: bool = True
    request: int = 0
    forwarded: tuple[str, ...] = ()


class CallRetried(Fact, frozen=True, kw_only=True):
    """A call is sent a second time. Published by `callmux.rings.retrying`.

    Attributes:
        target: The tool's own name, the prompt's, or the URI.
        category: How the first attempt failed.
        reason: The same in words.
    """

    server: str
    target: str
    category: str
    reason: str


class ResultShortened(Fact, frozen=True, kw_only=True):
    """A result went out shorter than it came. Published by `callmux.rings.shield.shelf` (it was too large)
    and by `callmux.rings.formatting` (TOON or plain content in place of JSON).

    Attributes:
        how: `shield`, `toon` or `plain`.
        server: The server's key; empty for an answer of callmux itself.
        tool: The tool's own name, or the meta-tool's.
        before, after: Bytes.
    """

    how: str
    server: str
    tool: str
    before: int
    after: int


class SessionEnded(Fact, frozen=True, kw_only=True):
    """A client's session is over. Published by `callmux.process.host`.

    Attributes:
        session_id: Names the session in status; empty on stdio.
        transport: `stdio`, `streamable-http` or `sse`.
        seconds: How long it lasted.
        client: The name in its `clientInfo`.
        version: The MCP revision agreed on; empty where none was.
    """

    session_id: str
    transport: str
    seconds: float
    client: str = ""
    version: str = ""


class Reloaded(Fact, frozen=True, kw_only=True):
    """A changed configuration was read. Published by `callmux.process.file_watch`.

    Attributes:
        error: Why it could not take effect, so that the old one goes on; None where it did.
    """

    error: str | None = None


class ListenerChanged(Fact, frozen=True, kw_only=True):
    """The listener of a program is in another state. Published by `callmux.library.listener`.

    Attributes:
        state: `starting`, `running`, `degraded`, `reloading` or `stopped`.
        reason: Why it could not start, or why the last reload failed; None for nothing of the kind.
    """

    state: str
    reason: str | None = None


class Dropped(Fact, frozen=True, kw_only=True):
    """Somebody reads facts more slowly than they happen, and did not get some. Published by
    `callmux.library.subscribers`, for that reader alone.

    Attributes:
        count: How many.
    """

    count: int


class Configured(Fact, frozen=True, kw_only=True):
    """A configuration takes effect that is not the first. Published by `callmux.process.host`.

    Attributes:
        config: The configuration.
    """

    config: Config


class ServersManaged(Fact, frozen=True, kw_only=True):
    """Somebody changed a server, or wanted to. Published by `callmux.management.changes`.

    Attributes:
        action: `add_server`, `patch_server` or `delete_server`; `restart_server`, `stop_server` or
            `start_server`.
        by: Who, such as `management:ops`.
        error: Why it was not done; empty where it was.
    """

    action: str
    server: str
    by: str
    error: str = ""


class LimitReached(Fact, frozen=True, kw_only=True):
    """A request was refused because of a limit. Published by the checks of `callmux.guard` that count, and by
    `callmux.transport.http.app`.

    Attributes:
        limit: The key of the configuration that says how many, such as `principalRequestsPerMinute`.
        request_id: The `x-request-id` of the request.
        peer: The address it came from.
        principal: Who it was from, where that is known already.
        retry_seconds: When to come again, where that is known.
    """

    limit: str
    request_id: str = ""
    peer: str | None = None
    principal: Principal | None = None
    retry_seconds: int | None = None


class Denied(Fact, frozen=True, kw_only=True):
    """A rule did not let a call happen: nothing was sent. One for each call of a plan. Published by the
    authorizing stage.

    Attributes:
        rule: Names the rule in the configuration, such as `authorization.rules[2]` or `default`.
        server: The server's key; empty where it is about no single server.
        target: The tool's own name, the prompt's, or the URI; a meta-tool's name where the server is empty.
        spelled: The name as the caller wrote it.
        method: The MCP method.
        within: The meta-tool that wanted to make it; empty for a direct call.
        tier: `read`, `write` or `destroy`.
        session_id, request_id, principal: As in `RequestEnded`.
    """

    rule: str
    server: str = ""
    target: str = ""
    spelled: str = ""
    method: str = "tools/call"
    within: str = ""
    tier: str = ""
    session_id: str = ""
    request_id: str = ""
    principal: Principal | None = None


class ApprovalAsked(Fact, frozen=True, kw_only=True):
    """A person is asked whether calls may happen. Published by `callmux.rings.asking`.

    Attributes:
        question: Names the question; its answer has the same.
        how: `elicitation` or `terminal`.
        calls: What they are about, as `server: tool`.
        session_id, request_id, principal: As in `RequestEnded`.
    """

    question: str
    how: str
    calls: tuple[str, ...]
    session_id: str = ""
    request_id: str = ""
    principal: Principal | None = None


class ApprovalAnswered(Fact, frozen=True, kw_only=True):
    """A question of `ApprovalAsked` is answered, or its time is up. Published by `callmux.rings.asking`.

    Attributes:
        question: Names the question.
        answer: `allowed`, `refused`, `timed_out` or `cancelled`.
        how: Where the answer came from: `elicitation`, `terminal`, `dashboard` or `remembered`; empty
            for none.
        remembered: For how long it holds: `call`, `session` or `project`.
        seconds: How long it took.
        calls: What they are about, as `server: tool`.
        session_id, request_id, principal: As in `RequestEnded`.
    """

    question: str
    answer: str
    how: str
    remembered: str = "call"
    seconds: float = 0.0
    calls: tuple[str, ...] = ()
    session_id: str = ""
    request_id: str = ""
    principal: Principal | None = None
