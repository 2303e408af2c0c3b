"""Which servers move behind callmux, and which stay where they are and why. Pure.

Called by `callmux.cli.setup` and its dialogue, before servers are asked for their tools and again afterwards.
Whoever gets callmux gets everything behind it, so that what one client forbids, all of them would have to: a
server that a client with callmux has switched off, restricts or asks about stays in every file.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from callmux.clients import editing
from callmux.clients.entry import DEFAULT_NAME, Entry
from callmux.clients.limits import Limits, Settings, admission, limits, shown
from callmux.setup.found import Found


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a server.

    Attributes:
        found: The server, with the tools that are denied for all clients.
        reason: Why it stays; None where it goes behind callmux.
    """

    found: Found
    reason: str | None


def verdicts(
    found: Sequence[Found],
    receivers: Sequence[str],
    settings: Sequence[Settings],
    tools: Mapping[str, Sequence[str]] | None = None,
) -> list[Verdict]:
    """A verdict for each server, in order.

    Args:
        found: All servers of all clients.
        receivers: The clients that have callmux then.
        settings: What clients' settings say.
        tools: The tools of servers that were asked, by their keys; None before that, when what only they can
            decide is left open.
    """
    return [_verdict(item, found, receivers, settings, tools) for item in found]


def _verdict(
    item: Found,
    found: Sequence[Found],
    receivers: Sequence[str],
    settings: Sequence[Settings],
    tools: Mapping[str, Sequence[str]] | None,
) -> Verdict:
    kind = item.file.kind
    if item.ours:
        return Verdict(item, "it is callmux itself")
    reasons = [item.obstacle] if item.obstacle is not None else []
    peers = [other for other in found if other is not item and _is_same(item, other) and not other.ours]
    peers = [other for other in peers if other.file.kind in receivers]
    for other in peers:
        reasons += _differences(item, other)
    listed = None if tools is None else tools.get(item.key, ())
    denials: dict[str, frozenset[str]] = {}
    notes = list(item.notes)
    for client in dict.fromkeys([kind, *receivers]):
        own = _limits(client, item, peers, settings)
        notes += [
            f'is named by "{rule}" in the permissions of {editing.title(client)}: that rule loses its effect'
            for rule in own.allowed
        ]
        reasons += own.reasons if client == kind else [_foreign(client, reason) for reason in own.reasons]
        denied, unclear = _resolved(own, listed)
        if unclear and tools is not None:
            reasons.append(
                f'{editing.title(client)} denies "{unclear[0]}", and which tool that is can only be said'
                " after asking the server (--yes and --probe do)"
            )
        entries = [other for other in (item, *peers) if other.file.kind == client]
        denials[client] = denied | {tool for other in entries for tool in other.entry.denied}
    reasons += _disagreements(denials, receivers, kind)
    kept = replace(item.entry, denied=tuple(sorted(frozenset().union(*denials.values()))))
    reason = "; ".join(dict.fromkeys(reasons)) or None
    return Verdict(replace(item, entry=kept, notes=tuple(notes)), reason)


def _is_same(one: Found, other: Found) -> bool:
    """Whether two entries mean one server: rules about one are then meant for the other as well.

    One client may have a server twice under two names, as for two accounts: those are two.
    """
    if one.name == other.name:
        return True
    return one.file.kind != other.file.kind and _target(one.entry) == _target(other.entry)


def _target(entry: Entry) -> tuple[object, ...]:
    return entry.command, entry.args, entry.url


def _differences(item: Found, other: Found) -> list[str]:
    """Why a client with callmux would get more of a server than its own entry gives it."""
    where = f"{other.place} has it"
    if other.name != item.name:
        where += f' as "{other.name}"'
    found = []
    if other.restricted and other.obstacle != item.obstacle:
        found.append(f"{where}, where it stays: {other.obstacle}")
    if other.entry.disabled != item.entry.disabled:
        off, on = (other.place, item.place) if other.entry.disabled else (item.place, other.place)
        found.append(f"it is switched off in {off} and on in {on}")
    if set(other.entry.tools or ()) != set(item.entry.tools or ()) or (
        (other.entry.tools is None) != (item.entry.tools is None)
    ):
        found.append(f"{where} with other tools")
    return found


def _limits(client: str, item: Found, peers: Iterable[Found], settings: Sequence[Settings]) -> Limits:
    """What a client forbids for this server, under every name that it has there."""
    entries = [item, *(other for other in peers if other.file.kind == client)]
    found = []
    for other in entries:
        in_file = client == "claude" and other.is_of_a_project_file
        entry = other.plain or other.entry
        project = other.project if other.file.kind == client else None
        found.append(limits(client, other.name, entry, settings, project, in_file))
    return Limits(
        frozenset().union(*(one.denied for one in found)),
        frozenset().union(*(one.denied_as_shown for one in found)),
        frozenset().union(*(one.denied_if_there for one in found)),
        tuple(dict.fromkeys(reason for one in found for reason in one.reasons)),
        tuple(dict.fromkeys(rule for one in found for rule in one.allowed)),
    )


def _foreign(client: str, reason: str) -> str:
    return f"{editing.title(client)} gets callmux, too, and there: {reason}"


def _resolved(own: Limits, listed: Sequence[str] | None) -> tuple[frozenset[str], list[str]]:
    """The denied tools by the names that the server gives them, and those that cannot be told."""
    denied, unclear = set(own.denied), []
    for name in sorted(own.denied_as_shown):
        real = {tool for tool in listed or () if shown(tool) == name}
        if real:
            denied |= real
        elif "_" not in name or listed:
            denied.add(name)
        else:
            unclear.append(name)
    for name in sorted(own.denied_if_there):
        if name in (listed or ()):
            denied.add(name)
        elif not listed:
            unclear.append(name)
    return frozenset(denied), unclear


def _disagreements(denials: Mapping[str, frozenset[str]], receivers: Sequence[str], kind: str) -> list[str]:
    """Tools that one client denies and another one, which gets callmux, does not."""
    found = []
    for tool in sorted(frozenset().union(*denials.values())):
        for client in receivers:
            if tool not in denials[client]:
                denying = next(name for name, tools in denials.items() if tool in tools)
                found.append(
                    f'{editing.title(denying)} denies its tool "{tool}", and {editing.title(client)}, which'
                    " gets callmux, too, does not"
                )
                break
    return found[:1]


def admitted(
    clients: Sequence[str], start: Mapping[str, Entry], settings: Sequence[Settings]
) -> tuple[list[str], list[str]]:
    """The clients that may start callmux, and why others may not.

    Args:
        clients: Those that are to get it.
        start: The entry for it in each of them.
    """
    kept, notes = [], []
    for kind in clients:
        refused = admission(kind, DEFAULT_NAME, start[kind], settings)
        if refused is None:
            kept.append(kind)
        else:
            notes.append(f"{editing.title(kind)} gets no callmux, and its servers stay there: {refused}")
    return kept, notes


def forbidden(
    servers: Mapping[str, Entry],
    receivers: Sequence[str],
    settings: Sequence[Settings],
    found: Sequence[Found] = (),
) -> dict[str, str]:
    """Why new servers must not be added: a client that gets callmux may not use them, or not all of them.

    Args:
        servers: The servers by name.
        receivers: The clients that have callmux then.
        found: All servers of all clients.
    """
    refused = {}
    for name, entry in servers.items():
        for kind in receivers:
            reason = _forbids(kind, name, entry, {}, found, settings)
            if reason is not None:
                refused[name] = f"{editing.title(kind)}: {reason}"
                break
    return refused


def gains(
    kind: str, existing: Mapping[str, Any], found: Sequence[Found], settings: Sequence[Settings]
) -> str | None:
    """What a client would get of servers that are behind callmux already, though it has forbidden it.

    Args:
        kind: The client, which has no callmux yet.
        existing: The servers of our configuration, as it has them.
        found: All servers of all clients.
        settings: What clients' settings say.
    """
    for name, raw in existing.items():
        entry = editing.entry_of("generic", raw)
        if entry is None or entry.disabled:
            continue
        reason = _forbids(kind, name, entry, raw, found, settings)
        if reason is not None:
            return f'"{name}" is behind callmux already, and there: {reason}'
    return None


def _forbids(
    kind: str,
    name: str,
    entry: Entry,
    raw: Mapping[str, Any],
    found: Sequence[Found],
    settings: Sequence[Settings],
) -> str | None:
    """What a client forbids of a server that it would get as our configuration has it (`raw`)."""
    own = limits(kind, name, entry, settings)
    there = [item for item in found if item.file.kind == kind and not item.ours]
    there = [item for item in there if item.name == name or _target(item.entry) == _target(entry)]
    reasons = [*own.reasons, *(reason for item in there for reason in _kept_from(item, raw))]
    denied = own.denied.union(*(item.entry.denied for item in there))
    kept = set(raw.get("denyTools", []))
    open_still = sorted(denied - kept) + sorted(own.denied_as_shown - set(map(shown, kept)))
    if open_still:
        reasons.append(f'it denies the tool "{open_still[0]}", and denyTools does not name that')
    return reasons[0] if reasons else None


def _kept_from(item: Found, raw: Mapping[str, Any]) -> list[str]:
    reasons = [item.obstacle] if item.restricted and item.obstacle is not None else []
    if item.entry.disabled:
        reasons.append("it is switched off")
    exposed = raw.get("tools")
    if item.entry.tools is not None and (exposed is None or not set(exposed) <= set(item.entry.tools)):
        reasons.append("it has fewer tools")
    return reasons
