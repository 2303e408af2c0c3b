"""What must cross callmux: every request and notification of MCP 2025-06-18 and 2025-11-25, both ways.

`REQUIREMENTS` holds a sentence and its clause for each id; `METHODS` says which of them speak of which
message of which revision. Each test names its requirements with `requirement`; `test_coverage` checks that
every requirement has a test, every test a requirement, and every message of both revisions a requirement.

A clause is a page of the specification ("server/tools") of 2025-11-25 unless a revision is named; "issue 3"
is the project's own requirement.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

REQUIREMENTS: dict[str, str] = {
    # ---- lifecycle
    "initialize.version": "A client is answered in the revision it asks for (basic/lifecycle, Version"
    " Negotiation).",
    "initialize.unknown-version": "An unknown revision is answered with the newest legacy one"
    " (basic/lifecycle, Version Negotiation).",
    "initialize.upstream-version": "A server may answer in any legacy revision, whatever its client speaks"
    " (basic/lifecycle, Version Negotiation).",
    "initialize.refused-version": "A server whose revision callmux does not speak is not used"
    " (basic/lifecycle, Version Negotiation).",
    "initialize.capabilities-down": "What servers declare is declared to the client, joined"
    " (basic/lifecycle, Capability Negotiation).",
    "initialize.served": "What is declared is answered: each capability and each extension has its methods"
    " (basic/lifecycle, Capability Negotiation; issue 9).",
    "initialize.unserved": "What is not declared is not answered: its methods are unknown (-32601), in every"
    " era (basic/lifecycle, Operation; 2026-07-28, server/discover; issue 15).",
    "initialize.changes": "A list that is declared to change tells of changes, to clients of every era"
    " (basic/lifecycle, Capability Negotiation; 2026-07-28, basic/patterns/subscriptions; issue 15).",
    "initialize.capabilities-up": "A server is told exactly what the real client declared"
    " (basic/lifecycle, Capability Negotiation; issue 3).",
    "initialize.initialized": "A server gets `notifications/initialized` after the answer to `initialize`,"
    " before any"
    " other request (basic/lifecycle, Initialization).",
    "initialize.instructions": "Instructions of the servers are merged with callmux's own"
    " (basic/lifecycle; issue 3).",
    "initialize.other-era": "Discovery by a client of a revision without a handshake is answered at once,"
    " what does not fit is refused, and neither starts a server (server/discover).",
    "ping.client": "A client's ping is answered promptly with an empty result (basic/utilities/ping).",
    "ping.server": "A server's ping is answered promptly with an empty result (basic/utilities/ping).",
    # ---- utilities
    "cancel.client": "A cancelled request is cancelled at the server under the id it has there, and never"
    " answered"
    " (basic/utilities/cancellation).",
    "cancel.server": "A question that its server cancels is cancelled at the client under the id it has"
    " there, and"
    " its late answer is dropped (basic/utilities/cancellation).",
    "cancel.late": "Cancelling what is answered or unknown does nothing (basic/utilities/cancellation).",
    "progress.server": "Progress of a request reaches its client under the client's own token, other"
    " members as they"
    " came (basic/utilities/progress).",
    "progress.client": "Progress of a client on a question reaches the server under the server's own token"
    " (basic/utilities/progress).",
    "progress.silence": "A request with a progress token that has had none for long gets some, with values"
    " that rise, and none after its answer (basic/utilities/progress; issue 9).",
    "progress.unasked": "A client that gave no token gets no progress (basic/utilities/progress).",
    "logging.level": "`logging/setLevel` reaches every server that declares logging"
    " (server/utilities/logging).",
    "logging.invalid-level": "An unknown level is refused with -32602 (server/utilities/logging, Error"
    " Handling).",
    "logging.message": "Log messages reach the client as they came (server/utilities/logging).",
    "logging.filter": "Messages below the client's level do not reach it, whatever a server sends"
    " (server/utilities/logging, Setting Log Level).",
    "logging.reconnect": "A server that comes back is told the level again (server/utilities/logging;"
    " issue 3).",
    "pagination.upstream": "Every page of every list of a server is read (server/utilities/pagination).",
    "pagination.loop": "A server that gives the same cursor twice does not hang anybody"
    " (server/utilities/pagination).",
    "lenience.messages": "Spellings of messages that clients of single servers take are taken (issue 9).",
    "lenience.lists": "One list that cannot be had, or not whole, costs no other (issue 9).",
    "lenience.values": "What strict clients refuse is not passed on: null for what is not there (issue 9).",
    "pagination.invalid": "A cursor that callmux did not give is refused with -32602"
    " (server/utilities/pagination, Error Handling).",
    # ---- tools
    "tools.list": "A tool's definition passes as its server wrote it: title, icons, annotations, schemas,"
    " `_meta`,"
    " execution, unknown members (server/tools, Listing Tools).",
    "tools.call": "A tool call passes with its arguments, and its result comes back, byte for byte"
    " (server/tools, Calling Tools).",
    "tools.content": "Every kind of content passes: text, image, audio, resource link, embedded resource,"
    " unknown"
    " (server/tools, Tool Result).",
    "tools.structured": "Structured content passes byte for byte (server/tools, Structured Content).",
    "tools.error": "A tool's own error (`isError`) passes as a result (server/tools, Error Handling).",
    "tools.list-changed": "A client that has listed tools is told when they change (server/tools, List"
    " Changed"
    " Notification).",
    # ---- resources
    "resources.list": "Resources pass as their server wrote them (server/resources, Listing Resources).",
    "resources.templates": "Resource templates pass as their server wrote them (server/resources, Resource"
    " Templates).",
    "resources.read": "A resource is read at its server; the result passes byte for byte"
    " (server/resources, Reading Resources).",
    "resources.read-unlisted": "A URI that nobody lists is read where a template or a server knows it"
    " (server/resources, Resource Templates).",
    "resources.not-found": "A URI that nobody knows is refused with -32002 (server/resources, Error"
    " Handling).",
    "resources.subscribe": "A subscription reaches the server, and its end too (server/resources,"
    " Subscriptions).",
    "resources.updated": "Updates of a subscribed resource reach the client, of no other resource and no"
    " longer than"
    " it is subscribed (server/resources, Subscriptions).",
    "resources.updated-below": "An update may name a sub-resource of what was subscribed to"
    " (schema, ResourceUpdatedNotification).",
    "resources.resubscribe": "A server that comes back is asked for the subscriptions again (issue 3).",
    "resources.list-changed": "A client that has listed resources or templates is told when they change"
    " (server/resources, List Changed Notification).",
    # ---- prompts and completion
    "prompts.list": "Prompts pass as their server wrote them (server/prompts, Listing Prompts).",
    "prompts.get": "A prompt is got from its server with its arguments, byte for byte (server/prompts,"
    " Getting a"
    " Prompt).",
    "prompts.unknown": "An unknown prompt is refused with -32602 (server/prompts, Error Handling).",
    "prompts.list-changed": "A client that has listed prompts is told when they change (server/prompts,"
    " List Changed"
    " Notification).",
    "completion.prompt": "An argument of a prompt is completed by the prompt's server, with its context"
    " (server/utilities/completion).",
    "completion.resource": "A variable of a template is completed by the template's server"
    " (server/utilities/completion).",
    "completion.unknown": "A reference that nobody knows is refused with -32602"
    " (server/utilities/completion, Error"
    " Handling).",
    # ---- what servers ask
    "sampling.create": "`sampling/createMessage` reaches the client whose call caused it, and its answer"
    " the server,"
    " byte for byte, tools and tool choice included (client/sampling).",
    "sampling.refused": "A client's refusal reaches the server as it came (client/sampling, Error Handling).",
    "elicitation.form": "A form is elicited from the client whose call caused it (client/elicitation, Form"
    " Mode).",
    "elicitation.url": "A URL elicitation passes, and `notifications/elicitation/complete` after it"
    " (client/elicitation, URL Mode; 2025-11-25).",
    "elicitation.required": "The error -32042 of a call reaches the client as a JSON-RPC error with its data"
    " (client/elicitation, URL Elicitation Required Error; 2025-11-25).",
    "roots.list": "`roots/list` reaches the client whose call caused it (client/roots, Listing Roots).",
    "roots.list-changed": "`notifications/roots/list_changed` reaches every server the client talks to"
    " (client/roots, Root List Changes).",
    "questions.parallel": "A call inside callmux_parallel may ask, too (issue 3).",
    # ---- tasks (2025-11-25)
    "tasks.create": "A task-augmented call passes, and the task it created comes back"
    " (basic/utilities/tasks).",
    "tasks.follow": "`tasks/get`, `tasks/result` and `tasks/cancel` reach the server of the task, byte for"
    " byte"
    " (basic/utilities/tasks).",
    "tasks.list": "`tasks/list` reaches the servers that have it (basic/utilities/tasks, Listing Tasks).",
    "tasks.status": "`notifications/tasks/status` passes in both directions (basic/utilities/tasks, Status"
    " Notification).",
    "tasks.client": "A server may make a task of a question and follow it at the client: get, result,"
    " list, cancel"
    " (basic/utilities/tasks).",
    "tasks.strange": "A task that the client was never told of is nobody's (basic/utilities/tasks, Task"
    " Isolation).",
    # ---- what nobody knows
    "unknown.client-request": "An unknown request of a client reaches the only server, byte for byte, and"
    " its answer"
    " the client (issue 3).",
    "unknown.client-notification": "An unknown notification of a client reaches its servers byte for byte"
    " (issue 3).",
    "unknown.server-request": "An unknown request of a server reaches the client byte for byte, and its"
    " answer the"
    " server (issue 3).",
    "unknown.server-notification": "An unknown notification of a server reaches the client byte for byte"
    " (issue 3).",
    "unknown.members": "Unknown members and `_meta` of requests, results and errors pass (basic, _meta;"
    " issue 3).",
    "errors.pass": "A JSON-RPC error of a method that is no tool call passes with code, message and data"
    " (basic, Responses).",
    "errors.tool": "A JSON-RPC error of a tool call is an error result that names code and data"
    " (server/tools, Error"
    " Handling; issue 3).",
    # ---- several servers
    "merge.names": "Names of several servers are prefixed, and lead back to the tool or prompt they stand for"
    " (issue 3).",
    "merge.uris": "A URI stays as its server wrote it; where two servers have the same one, each gets one"
    " of its own"
    " that leads back (issue 3).",
    "merge.uris-updated": "A client that subscribed to a qualified URI hears of it under that URI (issue 3).",
    "merge.pages": "The page of a tool (MCP Apps) is its own server's, under one ui: address in"
    " listings, results and reads (ext-apps 2026-01-26, UI Resource Format; issue 9).",
    "apps.visibility": "A tool that is not for models is shown to none, and called by its client alone"
    " (ext-apps 2026-01-26, Visibility; issue 9).",
    "apps.eager": "The meta-tools ask a client that defers tools to load them at once (issue 9).",
    "apps.own-names": "What a page calls or reads by its server's own names is its server's, or is refused"
    " (ext-apps 2026-01-26, UI Resource Format; issue 15).",
    "skills.routed": "Skills of all servers are listed, read and found by address, each of its own server"
    " (SEP-2640, Enumeration, Retrieval, Directory Listing; issue 15).",
    "skills.bytes": "What is no address in a skill's entry stays as its server wrote it"
    " (SEP-2640, Frontmatter, Integrity; issue 15).",
    "merge.completion": "Completion finds the server of a prefixed prompt and of a qualified template"
    " (issue 3).",
    "merge.whitelists": "`tools`, `prompts` and `resources` of a server's entry say what exists for clients"
    " (issue 3).",
    "merge.other-servers": "A request for one server never reaches another (issue 3).",
    # ---- transparent mode
    "transparent.greeting": "In the transparent mode a server's own greeting is the client's, but for the"
    " revision"
    " (issue 3).",
    "transparent.nothing-added": "The transparent mode adds nothing to a message, in either direction"
    " (issue 3).",
    "transparent.unknown-tool": "In the transparent mode a tool that is not listed reaches the server,"
    " unless the configuration hides it (issue 9).",
    "transparent.errors": "In the transparent mode a tool's JSON-RPC error stays one (issue 3).",
    # ---- several clients
    "sessions.questions": "Questions of a server, and their answers, never cross between sessions (issue 3).",
    "sessions.progress": "Progress never crosses between sessions, though their tokens and ids are the"
    " same (issue 3).",
    "sessions.logs": "Log messages never cross between sessions, and each has its own level (issue 3).",
    "sessions.late": "What a server says after a call has ended, timed out or been cancelled reaches the"
    " session of that call or nobody (client/elicitation, Security Considerations).",
    "sessions.updates": "Resource updates reach the sessions that subscribed, and no other; the last one"
    " ends the"
    " server's subscription (issue 3).",
    "sessions.capabilities": "Sessions that declare different capabilities share no connection (issue 3).",
    "sessions.listings": "Sessions are listed what their servers list to clients that declare what they"
    " declare, whoever came first (basic/lifecycle, Capability Negotiation).",
    "sessions.gone": "A session that leaves takes its questions, calls and connections with it (issue 3).",
    "sessions.ten-thousand": "10,000 interleaved calls of two sessions: each answer reaches who asked"
    " (issue 3).",
    # ---- transports
    "http.headers": "Each HTTP request carries the configured headers, and after the handshake the session"
    " and the"
    " revision (basic/transports, Session Management, Protocol Version Header).",
    "http.session-lost": "A 404 for the session leads to a new session, and the call is made once more, a"
    " write too:"
    " it was not begun (basic/transports, Session Management).",
    "http.resume": "A broken answer stream is resumed by its last event id, and the call answered once"
    " (basic/transports, Resumability and Redelivery).",
    "http.polling": "A server may close a stream after an event id; it is fetched again after `retry`"
    " (basic/transports, Sending Messages to the Server; 2025-11-25).",
    "http.broken": "A stream that breaks without an event id fails its own call and no other (issue 3).",
    "http.no-get": "A server without a GET stream (405) works (basic/transports, Listening for Messages).",
    "http.own-stream": "What a server says by itself comes on the GET stream, which is opened again when"
    " it ends"
    " (basic/transports, Listening for Messages).",
    "http.pretty": "A body on several lines passes as one line with every digit kept (issue 3).",
    "http.credentials": "401 and 403 say what to do, and no header value is shown (issue 3).",
    "http.delete": "A session is ended with DELETE (basic/transports, Session Management).",
    "http.death": "A server's end is noticed by its GET stream before a call fails (issue 3).",
    "http.fallback": "Without a configured transport, 4xx to `initialize` leads to HTTP+SSE"
    " (basic/transports, Backwards Compatibility).",
    "http.wrong-session": "An answer to another request than the one POSTed is no answer (issue 3).",
    "sse.endpoint": "Messages are POSTed to the address of the endpoint event, of the same origin only"
    " (2024-11-05, basic/transports, HTTP with SSE).",
    "sse.lost": "When the stream ends the session has ended, and a new one begins (2024-11-05,"
    " basic/transports).",
    "stdio.lines": "A message on stdio is one line (basic/transports, stdio).",
    "stdio.death": "A child that ends fails its calls and is started again (issue 3).",
    # ---- the official SDK on both sides
    "sdk.everything": "Everything works with the official SDK on both sides, over every transport (issue 3).",
}

_SAME = {
    "initialize": ["initialize.version", "initialize.capabilities-up", "initialize.capabilities-down"],
    "notifications/initialized": ["initialize.initialized"],
    "ping": ["ping.client", "ping.server"],
    "notifications/cancelled": ["cancel.client", "cancel.server"],
    "notifications/progress": ["progress.client", "progress.server"],
    "resources/list": ["resources.list"],
    "resources/templates/list": ["resources.templates"],
    "resources/read": ["resources.read"],
    "notifications/resources/list_changed": ["resources.list-changed"],
    "resources/subscribe": ["resources.subscribe"],
    "resources/unsubscribe": ["resources.subscribe"],
    "notifications/resources/updated": ["resources.updated"],
    "prompts/list": ["prompts.list"],
    "prompts/get": ["prompts.get"],
    "notifications/prompts/list_changed": ["prompts.list-changed"],
    "tools/list": ["tools.list"],
    "tools/call": ["tools.call"],
    "notifications/tools/list_changed": ["tools.list-changed"],
    "logging/setLevel": ["logging.level"],
    "notifications/message": ["logging.message"],
    "sampling/createMessage": ["sampling.create"],
    "completion/complete": ["completion.prompt", "completion.resource"],
    "roots/list": ["roots.list"],
    "notifications/roots/list_changed": ["roots.list-changed"],
    "elicitation/create": ["elicitation.form"],
}

METHODS: dict[str, dict[str, list[str]]] = {
    "2025-06-18": _SAME,
    "2025-11-25": {
        **_SAME,
        "elicitation/create": ["elicitation.form", "elicitation.url"],
        "notifications/elicitation/complete": ["elicitation.url"],
        "tasks/get": ["tasks.follow", "tasks.client"],
        "tasks/result": ["tasks.follow", "tasks.client"],
        "tasks/cancel": ["tasks.follow", "tasks.client"],
        "tasks/list": ["tasks.list", "tasks.client"],
        "notifications/tasks/status": ["tasks.status"],
    },
}
"""Every `method` of the schema of each revision, and the requirements that speak of it."""

Test = TypeVar("Test", bound=Callable[..., Any])


def requirement(*ids: str) -> Callable[[Test], Test]:
    """Marks a test with the requirements it shows."""
    unknown = [id for id in ids if id not in REQUIREMENTS]
    assert ids, "a test without a requirement"
    assert not unknown, f"no such requirement: {unknown}"

    def mark(test: Test) -> Test:
        test.requirements = ids  # type: ignore[attr-defined]
        return test

    return mark
