"""Changes of one server entry, as `callmux server add` and `callmux server set` ask for them. Pure.

Called by `callmux.cli.server_edit`. Works on the entry as the file has it, so that unknown keys stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from callmux.errors import UsageError

_STDIO_ONLY = ("command", "env", "env_refs", "remove_env", "clear_env", "cwd", "clear_cwd", "cwd_mode")
_URL_ONLY = ("url", "transport", "headers", "remove_headers", "forward_headers")
_SIMPLE = {
    "prefix": "prefix",
    "max_concurrency": "maxConcurrency",
    "cwd_mode": "cwdMode",
    "transport": "transport",
    "url": "url",
}


class ServerChange(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be different. What is None, empty or False stays as it is.

    Attributes:
        command: Program and arguments, which replace both.
        url: Another endpoint.
        transport: `streamable-http` or `sse`.
        headers: HTTP headers to set; a name is the same in any case.
        remove_headers: Names of those to take out.
        forward_headers: Names of the client's headers to pass on, in place of those there are.
        tools: The whole whitelist; an empty one exposes nothing.
        add_tools: Tools to add to it.
        remove_tools: Tools to take out, after the additions.
        clear_tools: Whether there is to be no whitelist any more; stronger than the others.
        deny_tools: Tools to add to those that exist for nobody.
        allow_tools: Tools to take out of them, after the additions.
        env: Variables to set; a reference of the same name goes.
        env_refs: References to set; a variable of the same name goes.
        remove_env: Variables and references to take out, after the additions.
        clear_env: Whether to take out all variables and references first.
        cwd: The working directory.
        clear_cwd: Whether there is to be no working directory any more; stronger than `cwd`.
        cwd_mode: `global` or `session`.
        cache_allow: The tools that may be cached, in place of those there are; empty for no such list.
        cache_deny: The tools that may not.
        clear_cache_policy: Whether to take out both lists first.
        call_timeout_ms: Time for one call.
        clear_call_timeout: Whether the global time is to hold again.
        request_body_max_bytes: Largest request, 0 for any.
        clear_request_body_max_bytes: Whether the global limit is to hold again.
        prefix: What its tools' names begin with.
        max_concurrency: Calls at a time.
        disabled: Whether to switch it off, or on again.
    """

    command: tuple[str, ...] = ()
    url: str | None = None
    transport: str | None = None
    headers: dict[str, str] = {}
    remove_headers: tuple[str, ...] = ()
    forward_headers: tuple[str, ...] | None = None
    tools: tuple[str, ...] | None = None
    add_tools: tuple[str, ...] = ()
    remove_tools: tuple[str, ...] = ()
    clear_tools: bool = False
    deny_tools: tuple[str, ...] = ()
    allow_tools: tuple[str, ...] = ()
    env: dict[str, str] = {}
    env_refs: dict[str, str] = {}
    remove_env: tuple[str, ...] = ()
    clear_env: bool = False
    cwd: str | None = None
    clear_cwd: bool = False
    cwd_mode: str | None = None
    cache_allow: tuple[str, ...] | None = None
    cache_deny: tuple[str, ...] | None = None
    clear_cache_policy: bool = False
    call_timeout_ms: int | None = None
    clear_call_timeout: bool = False
    request_body_max_bytes: int | None = None
    clear_request_body_max_bytes: bool = False
    prefix: str | None = None
    max_concurrency: int | None = None
    disabled: bool | None = None

    def asks_for_nothing(self) -> bool:
        """Whether everything stays as it is."""
        return self == ServerChange()


class Changed(msgspec.Struct, frozen=True):
    """An entry after a change.

    Attributes:
        entry: The whole entry.
        remarks: What the change means for who may see what, where it is not plain.
    """

    entry: dict[str, Any]
    remarks: list[str]


def new_entry(change: ServerChange) -> Changed:
    """The entry of a server that is not there yet.

    Raises:
        UsageError: It has neither a command nor a URL, or both.
    """
    if change.command and change.url is not None:
        raise UsageError("a server has either a command (after --) or a --url, not both")
    if not change.command and change.url is None:
        raise UsageError("a server needs a command (after --) or a --url")
    changed = changed_entry({"command": change.command[0]} if change.command else {"url": change.url}, change)
    # Nobody is surprised that a new server has the tools it was given.
    return msgspec.structs.replace(changed, remarks=[r for r in changed.remarks if "no tools" in r])


def changed_entry(entry: Mapping[str, Any], change: ServerChange) -> Changed:
    """An entry with a change made to it; the order of its keys stays.

    Raises:
        UsageError: The change has no meaning for this kind of server.
    """
    _refuse_other_kind(entry, change)
    result = dict(entry)
    if change.command:
        result["command"] = change.command[0]
        _put(result, "args", list(change.command[1:]))
    for attribute, key in _SIMPLE.items():
        if getattr(change, attribute) is not None:
            result[key] = getattr(change, attribute)
    _put_headers(result, change)
    remarks = _put_tools(result, change)
    _put_denied(result, change)
    _put_env(result, change)
    for key, value, clear in (
        ("cwd", change.cwd, change.clear_cwd),
        ("callTimeoutMs", change.call_timeout_ms, change.clear_call_timeout),
        ("requestBodyMaxBytes", change.request_body_max_bytes, change.clear_request_body_max_bytes),
    ):
        if clear:
            result.pop(key, None)
        elif value is not None:
            result[key] = value
    _put_cache_policy(result, change)
    if change.disabled is not None:
        _put(result, "disabled", change.disabled)
    return Changed(result, remarks)


def _refuse_other_kind(entry: Mapping[str, Any], change: ServerChange) -> None:
    at_url = isinstance(entry.get("url"), str)
    default = ServerChange()
    for attribute in _STDIO_ONLY if at_url else _URL_ONLY:
        if getattr(change, attribute) != getattr(default, attribute):
            flag = "a command" if attribute == "command" else "--" + attribute.replace("_", "-").rstrip("s")
            kind = "is reached at a URL" if at_url else "is started by a command"
            raise UsageError(
                f"{flag} has no meaning here, because the server {kind}:"
                " remove it and add it again to change its kind"
            )


def _put(entry: dict[str, Any], key: str, value: Any) -> None:
    """Sets a key, or takes it out where the value says nothing."""
    if value or (value == 0 and value is not False):
        entry[key] = value
    else:
        entry.pop(key, None)


def _object(entry: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = entry.get(key)
    return dict(value) if isinstance(value, dict) else {}


def _texts(entry: Mapping[str, Any], key: str) -> list[str] | None:
    value = entry.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else None


def _put_headers(entry: dict[str, Any], change: ServerChange) -> None:
    gone = {name.lower() for name in (*change.headers, *change.remove_headers)}
    if gone:
        kept = {name: text for name, text in _object(entry, "headers").items() if name.lower() not in gone}
        removed = {name.lower() for name in change.remove_headers}
        new = {name: text for name, text in change.headers.items() if name.lower() not in removed}
        _put(entry, "headers", kept | new)
    if change.forward_headers is not None:
        _put(entry, "forwardHeaders", list(change.forward_headers))


def _put_tools(entry: dict[str, Any], change: ServerChange) -> list[str]:
    before = _texts(entry, "tools")
    if change.clear_tools:
        entry.pop("tools", None)
        return ["all of its tools are exposed now"] if before is not None else []
    if change.tools is None and not change.add_tools:
        if not change.remove_tools:
            return []
        if before is None:
            return [
                'it has no list "tools", so nothing changed: --deny-tool switches a tool off,'
                " --tools names the only ones to keep"
            ]
    chosen = list(
        dict.fromkeys([*(before or () if change.tools is None else change.tools), *change.add_tools])
    )
    entry["tools"] = [tool for tool in chosen if tool not in change.remove_tools]
    if not entry["tools"]:
        return ["it exposes no tools now: --clear-tools exposes all of them"]
    return ["it exposes only the tools of its whitelist now"] if before is None else []


def _put_denied(entry: dict[str, Any], change: ServerChange) -> None:
    if change.deny_tools or change.allow_tools:
        denied = dict.fromkeys([*(_texts(entry, "denyTools") or ()), *change.deny_tools])
        _put(entry, "denyTools", [tool for tool in denied if tool not in change.allow_tools])


def _put_env(entry: dict[str, Any], change: ServerChange) -> None:
    if not (change.env or change.env_refs or change.remove_env or change.clear_env):
        return
    env = {} if change.clear_env else _object(entry, "env")
    refs = {} if change.clear_env else _object(entry, "envRefs")
    env = _without(env, change.env_refs) | change.env
    refs = _without(refs, change.env) | change.env_refs
    _put(entry, "env", _without(env, change.remove_env))
    _put(entry, "envRefs", _without(refs, change.remove_env))


def _without(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    gone = set(names)
    return {name: value for name, value in values.items() if name not in gone}


def _put_cache_policy(entry: dict[str, Any], change: ServerChange) -> None:
    if not change.clear_cache_policy and change.cache_allow is None and change.cache_deny is None:
        return
    policy = _object(entry, "cachePolicy")
    if change.clear_cache_policy:
        policy = _without(policy, ("allowTools", "denyTools"))
    for key, tools in (("allowTools", change.cache_allow), ("denyTools", change.cache_deny)):
        if tools is not None:
            _put(policy, key, list(tools))
    _put(entry, "cachePolicy", policy)
