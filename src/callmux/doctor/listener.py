"""Checks a running listener: reachable, healthy, ready, one MCP session with its tools. Pure.

Called by `callmux.cli.doctor` with a function that does one HTTP exchange (`callmux.doctor.wire`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

import msgspec
from msgspec import UNSET, UnsetType

from callmux import __version__
from callmux.bridge.endpoint import Endpoint
from callmux.config.veil import veil_of_headers
from callmux.doctor.company import company_problems
from callmux.errors import CallmuxError

PROTOCOL_VERSION = "2025-11-25"
STATUS_TOOL = "callmux_status"


class Unanswered(CallmuxError):
    """A request without a whole answer; the message says why, and what to do."""

    code = "listener_unanswered"


class ListenerAnswer(NamedTuple):
    """An HTTP answer: the body of an event stream is the one message that was awaited."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def json(self) -> Any:
        """The body as JSON; its text where it is none; None where it is empty."""
        if not self.body:
            return None
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return self.body[:500].decode("utf-8", "replace")


class Exchange(Protocol):
    """Does one HTTP exchange; raises `Unanswered`."""

    def __call__(
        self, method: str, path: str, headers: Mapping[str, str], message: dict[str, Any] | None = None
    ) -> ListenerAnswer: ...


class Stage(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One step that was reached: the HTTP status, whether it is what it should be, and what came."""

    ok: bool
    status: int | UnsetType = UNSET
    session_id: str | UnsetType = UNSET
    body: Any = None


class ListenerReport(msgspec.Struct, kw_only=True, rename="camel"):
    """What a listener showed. Stages that were not reached are absent.

    Attributes:
        ok: Whether there is no issue.
        url: As it was given.
        version: The version that the listener reports.
        tool_count: Tools in its list.
        issues: What is wrong, each with what to do.
        warnings: What works but is probably not meant.
    """

    ok: bool
    url: str
    mcp_url: str
    health_url: str
    cwd: str | UnsetType = UNSET
    version: str | UnsetType = UNSET
    health: Stage | UnsetType = UNSET
    ready: Stage | UnsetType = UNSET
    initialize: Stage | UnsetType = UNSET
    tool_count: int | UnsetType = UNSET
    status: Stage | UnsetType = UNSET
    issues: list[str]
    warnings: list[str]


def examine_listener(
    url: str,
    endpoint: Endpoint,
    exchange: Exchange,
    headers: Mapping[str, str],
    *,
    credentials: str,
    cwd: str | None = None,
) -> ListenerReport:
    """Goes through the stages, as far as they are reached; the session that is opened is ended again.

    Args:
        url: As it was given.
        endpoint: The same with its path completed.
        exchange: Does one exchange.
        headers: What goes along with each request: those of the command line and the token.
        credentials: Says what was shown for credentials, such as `no token was sent`.
        cwd: The directory that the listener has to see for this session.
    """
    examination = _Examination(url, endpoint, exchange, headers, credentials, cwd)
    examination.run()
    report = examination.report
    report.ok = not report.issues
    return report


class _Examination:
    def __init__(
        self,
        url: str,
        endpoint: Endpoint,
        exchange: Exchange,
        headers: Mapping[str, str],
        credentials: str,
        cwd: str | None,
    ) -> None:
        self._exchange = exchange
        self._path = endpoint.path
        self._credentials = credentials
        self._cwd = cwd
        self._secret = {name: value for name, value in headers.items() if name.lower() != "x-callmux-client"}
        self._headers = {**headers, **({} if cwd is None else {"x-callmux-cwd": cwd})}
        self._last_id = 0
        self.report = ListenerReport(
            ok=False,
            url=url,
            mcp_url=endpoint.url,
            health_url=f"{endpoint.origin}/health",
            cwd=UNSET if cwd is None else cwd,
            issues=[],
            warnings=[],
        )

    def run(self) -> None:
        try:
            self._health()
        except Unanswered as failure:
            # Nothing else would be different.
            self.report.issues.append(failure.message)
            return
        for stage in (self._ready, self._session):
            try:
                stage()
            except Unanswered as failure:
                self._issue(failure.message)

    def _issue(self, text: str) -> None:
        # Whoever answers may repeat what was sent.
        text = veil_of_headers(self._secret).hide_known(text)
        if text not in self.report.issues:
            self.report.issues.append(text)

    def _health(self) -> None:
        answer = self._exchange("GET", "/health", self._headers)
        body = answer.json
        self.report.health = Stage(status=answer.status, ok=answer.ok, body=body)
        if not answer.ok:
            self._issue(f"/health returned HTTP {answer.status}{self._advice(answer)}")
            return
        if not isinstance(body, dict) or "status" not in body:
            self.report.warnings.append(
                "/health does not answer as callmux does: is this a callmux listener?"
            )
            return
        version = body.get("version")
        if isinstance(version, str):
            self.report.version = version
            if version != __version__:
                self.report.warnings.append(
                    f"the listener is version {version}, this command {__version__}: restart the listener"
                    " to bring it up to date"
                )

    def _ready(self) -> None:
        answer = self._exchange("GET", "/ready", self._headers)
        if answer.status == 404:
            self.report.warnings.append("there is no /ready: this is an older listener, or not callmux")
            return
        body = answer.json
        self.report.ready = Stage(status=answer.status, ok=answer.ok, body=body)
        if answer.ok:
            return
        servers = list(_troubled(body))
        for name, why in servers:
            self._issue(f'server "{name}" does not work: {why}; try "callmux server test {name}" there')
        if not servers:
            self._issue(f"/ready returned HTTP {answer.status}{self._advice(answer)}")

    def _session(self) -> None:
        init, answer = self._ask(
            "initialize",
            {
                "protocolVersion": PROTOCOL_VERSION,
                "capabilities": {},
                "clientInfo": {"name": "callmux-doctor", "version": __version__},
            },
        )
        session = answer.headers.get("mcp-session-id")
        problem = _problem(init) if answer.ok else None
        self.report.initialize = Stage(
            status=answer.status,
            ok=answer.ok and problem is None and session is not None,
            session_id=session or UNSET,
            body=init,
        )
        if not answer.ok:
            self._issue(f"initialize returned HTTP {answer.status}{self._advice(answer)}")
        elif problem is not None:
            self._issue(f"initialize failed: {problem}: is the path of --url /mcp?")
        elif session is None:
            self._issue("initialize returned no mcp-session-id: is the path of --url /mcp?")
        if session is None:
            return
        self._headers["mcp-session-id"] = session
        try:
            if not self.report.issues or self.report.initialize.ok:
                self._in_session(init)
        finally:
            # Whether it hears of the end or not changes nothing in what was found.
            try:
                self._exchange("DELETE", self._path, self._headers)
            except Unanswered as failure:
                self.report.warnings.append(f"the session could not be ended: {failure.message}")

    def _in_session(self, init: Any) -> None:
        version = init.get("result", {}).get("protocolVersion")
        if isinstance(version, str):
            self._headers["mcp-protocol-version"] = version
        self._exchange(
            "POST", self._path, self._posted(), {"jsonrpc": "2.0", "method": "notifications/initialized"}
        )
        names = self._tools()
        if names is not None:
            self._status(names)

    def _tools(self) -> list[str] | None:
        listed, answer = self._ask("tools/list", {})
        problem = _problem(listed) if answer.ok else f"HTTP {answer.status}{self._advice(answer)}"
        if problem is not None:
            self._issue(f"tools/list failed: {problem}")
            return None
        tools = listed["result"].get("tools")
        names = [str(tool.get("name")) for tool in tools or () if isinstance(tool, dict)]
        self.report.tool_count = len(names)
        return names

    def _status(self, names: list[str]) -> None:
        if STATUS_TOOL not in names:
            self.report.warnings.append(
                f"{STATUS_TOOL} is not in the list of tools (exposeMetaTools), so it was not asked"
            )
            return
        asked = {"name": STATUS_TOOL, "arguments": {"sessions": True, "recommendations": False}}
        reply, answer = self._ask("tools/call", asked)
        problem = _problem(reply) if answer.ok else f"HTTP {answer.status}{self._advice(answer)}"
        payload = None if problem is not None else _payload(reply["result"])
        if problem is None and reply["result"].get("isError") is True:
            problem = str(payload)[:300]
        self.report.status = Stage(ok=problem is None, body=payload)
        if problem is not None:
            self._issue(f"{STATUS_TOOL} failed: {problem}")
            return
        for found in company_problems(payload):
            self._issue(found)
        if self._cwd is not None:
            self._check_cwd(payload)

    def _check_cwd(self, payload: Any) -> None:
        listener = payload.get("listener") if isinstance(payload, dict) else None
        sessions = listener.get("sessions") if isinstance(listener, dict) else None
        own = self._headers["mcp-session-id"]
        for session in sessions or ():
            # A listener may show the beginning of an id only: the whole one would be a key to the session.
            if isinstance(session, dict) and session.get("id") and own.startswith(str(session["id"])):
                if session.get("cwd") == self._cwd:
                    return
                self._issue(
                    f'the listener sees the directory "{session.get("cwd")}" for this session, not'
                    f' "{self._cwd}": give --cwd as an absolute path that exists there'
                )
                return
        self._issue(f"{STATUS_TOOL} does not list this session, so its directory cannot be checked")

    def _ask(self, method: str, params: dict[str, Any]) -> tuple[Any, ListenerAnswer]:
        self._last_id += 1
        message = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params}
        answer = self._exchange("POST", self._path, self._posted(), message)
        return answer.json, answer

    def _posted(self) -> dict[str, str]:
        return {
            **self._headers,
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
        }

    def _advice(self, answer: ListenerAnswer) -> str:
        body = answer.json
        said = body.get("error") if isinstance(body, dict) else None
        said = said.get("message") if isinstance(said, dict) else said
        told = f" ({said})" if isinstance(said, str) else ""
        if answer.status in (401, 403):
            return (
                f"{told}: {self._credentials}. Give a token that the listener knows with CALLMUX_TOKEN,"
                " --token-file or --header"
            )
        if answer.status == 404:
            return f"{told}: correct the path of --url, it is usually /mcp"
        if 300 <= answer.status < 400:
            return f"{told}: it redirects, put the new address into --url"
        if answer.status in (429, 503):
            return f"{told}: it is busy or stopping, try again later"
        if answer.status in (405, 501):
            return f"{told}: what answers there is not MCP"
        return told


def _troubled(body: Any) -> list[tuple[str, str]]:
    """Servers that are not up, and why, by what `/ready` says."""
    facts = body.get("downstream") if isinstance(body, dict) else None
    if not isinstance(facts, dict):
        return []
    found = []
    for key in ("failedServers", "servers"):
        for server in facts.get(key) or ():
            if isinstance(server, dict) and server.get("state") not in ("connected", "disabled", "sleeping"):
                why = server.get("error") or server.get("lastError") or f"it is {server.get('state')}"
                found.append((str(server.get("name")), str(why)))
    return found


def _problem(message: Any) -> str | None:
    """Why an answer is none; None where it has a result."""
    if not isinstance(message, dict):
        return "the answer is not a JSON-RPC message"
    error = message.get("error")
    if error is not None:
        return str(error.get("message") if isinstance(error, dict) else error)
    return None if isinstance(message.get("result"), dict) else "the answer has no result"


def _payload(result: Mapping[str, Any]) -> Any:
    """What a tool said: structured, else its text, as JSON where it is."""
    if "structuredContent" in result:
        return result["structuredContent"]
    content = result.get("content")
    text = "".join(
        part["text"]
        for part in (content if isinstance(content, list) else ())
        if isinstance(part, dict) and isinstance(part.get("text"), str)
    )
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def listener_lines(report: ListenerReport) -> list[str]:
    """The report for people."""
    lines = [
        f"Status: {'ok' if report.ok else 'issues found'}",
        f"Listener: {report.url}",
        f"Health URL: {report.health_url}",
        f"MCP URL: {report.mcp_url}",
    ]
    if report.cwd is not UNSET:
        lines.append(f"CWD: {report.cwd}")
    if report.version is not UNSET:
        lines.append(f"Version: {report.version}")
    if report.health is not UNSET:
        lines.append(f"Health: HTTP {report.health.status}")
    if report.ready is not UNSET:
        lines.append(f"Ready: HTTP {report.ready.status}")
    if report.initialize is not UNSET:
        # The whole id would be a key to the session.
        session = report.initialize.session_id
        shown = "none" if session is UNSET else session[:8]
        lines.append(f"Initialize: HTTP {report.initialize.status} session={shown}")
    if report.tool_count is not UNSET:
        lines.append(f"Tools: {report.tool_count}")
    if report.status is not UNSET:
        lines.append(f"Status tool: {'ok' if report.status.ok else 'issues found'}")
    lines += [f"Issue: {issue}" for issue in report.issues]
    return lines + [f"Warning: {warning}" for warning in report.warnings]
