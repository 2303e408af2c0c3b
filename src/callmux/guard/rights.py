"""Who may use what: the one place that decides, for calls and for everything that is shown. Pure.

Made by `callmux.process.oversight` for one configuration. Asked by `callmux.rings.authorizing` before a
request and before each call, and by `callmux.router.sight` for lists, search and status. Those to whom the
same rules apply share their `Rights`, in which every verdict is kept.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from callmux.config.model import Config
from callmux.errors import AuthorizationDenied
from callmux.guard.principal import Principal
from callmux.guard.profiles import Part, Profiles
from callmux.guard.rules import DENIED, PRINCIPAL_MISSING, PROFILE, Applying, Denial, Rules
from callmux.guard.wanted import ENDLESS, TOOL, Judged, Namespace, Wanted

MOST = 20_000
"""Verdicts, and principals, that are kept; whoever makes names up must not fill the memory."""
NOBODY = Denial(
    PRINCIPAL_MISSING, "authorization applies, and nobody knows who asks: the listener has no auth"
)
META = "callmux_"
"""Begins the names of callmux's own tools."""

LONGEST = 256
"""Letters of the longest name whose verdict is kept; longer ones are judged each time."""
TOO_LONG = Denial(DENIED, "its name is too long to be judged by rules")

_UNKNOWN: Any = object()


class Rights:
    """What somebody may use.

    Args:
        digest: Stands for the rules: equal where the same holds, whatever the configuration; empty where
            everything is allowed.
        layers: The rules that apply; all of them must allow.
        part: What the profile has; None without one.
        nothing: Why nothing at all may be used; None where it is not so.
        namespace: Whose a name is.
    """

    def __init__(
        self,
        digest: str,
        layers: Sequence[Applying],
        part: Part | None,
        nothing: Denial | None,
        namespace: Namespace,
    ) -> None:
        self.digest = digest
        self._layers = layers
        self._part = part
        self.nothing = nothing
        self._namespace = namespace
        self._routes: dict[object, Denial | None] = {}
        self._wanted: dict[Wanted, Denial | None] = {}

    def __repr__(self) -> str:
        return f"Rights({self.digest!r}, {len(self._routes)} routes)"

    @property
    def persona(self) -> str | None:
        """The key `persona` of the profile; None where there is none."""
        return None if self._part is None else self._part.persona

    def of_route(self, route: Judged) -> Denial | None:
        """Why the tool of a route may not be called; None where it may."""
        refusal: Denial | None = self._routes.get(route, _UNKNOWN)
        if refusal is _UNKNOWN:
            refusal = self._judge(route, TOOL)
            if len(route.bare) <= LONGEST:
                if len(self._routes) >= MOST:
                    self._routes.clear()
                self._routes[route] = refusal
        return refusal

    def of(self, wanted: Iterable[Wanted]) -> Denial | None:
        """Why something may not be used; None where it may in each of its forms."""
        for one in wanted:
            refusal: Denial | None = self._wanted.get(one, _UNKNOWN)
            if refusal is _UNKNOWN:
                refusal = self._judge(one, one.kind, one.also)
                if len(one.bare) <= LONGEST:
                    if len(self._wanted) >= MOST:
                        self._wanted.clear()
                    self._wanted[one] = refusal
            if refusal is not None:
                return refusal
        return None

    def of_meta_tool(self, name: str, *, must_be_allowed: bool = False) -> Denial | None:
        """Why a tool of callmux itself may not be called.

        Args:
            must_be_allowed: Whether it needs to be allowed like any other. Else it does no more than what its
                caller may do anyway, so that only a denial of its own name keeps it from somebody.
        """
        if self.nothing is not None:
            return self.nothing
        for layer in self._layers:
            refusal = layer.refusal((name,), (name,), "read") if must_be_allowed else layer.named(name, META)
            if refusal is not None:
                return refusal
        return None

    def could_use(self, server: str) -> bool:
        """Whether something of a server may be allowed, where nobody knows yet what it has."""
        if self.nothing is not None or (self._part is not None and not self._part.has_server(server)):
            return False
        prefixes = self._namespace.prefixes_of(server)
        return all(layer.could_allow(prefixes) for layer in self._layers)

    def forget(self) -> None:
        """The servers list something else: their routes are others now."""
        self._routes.clear()
        self._wanted.clear()

    def _judge(self, one: Judged, kind: str, also: tuple[str, ...] = ()) -> Denial | None:
        if self.nothing is not None:
            return self.nothing
        if self._part is None and not self._layers:
            return None
        if kind == ENDLESS:
            return TOO_LONG
        own = self._namespace.own(one.server, one.names)
        if self._part is not None and (missing := self._part.refusal(one.server, own, kind)) is not None:
            return missing
        spelled = one.names + also
        for layer in self._layers:
            if (refusal := layer.refusal(spelled, own, one.tier)) is not None:
                return refusal
        return None


class Permissions:
    """The rights of everybody under one configuration.

    Args:
        config: The configuration.
        authorized: Whether `authorization` applies.
        reserved: Names that belong to callmux itself.

    Attributes:
        successor: Those of the configuration that took the place of this one; None while it is in force.
    """

    successor: Permissions | None = None

    def __init__(self, config: Config, *, authorized: bool, reserved: frozenset[str] = frozenset()) -> None:
        self.profiles = Profiles(config.profiles)
        self.namespace = Namespace({n: s.prefix for n, s in config.servers.items()}, reserved)
        self._config = config
        self._rules = None
        if authorized and (given := config.authorization) is not None:
            self._rules = Rules(given.rules, given.default_effect, "authorization")
        self._known: dict[tuple[Principal | None, str], Rights] = {}
        self._kinds: dict[tuple[object, ...], Rights] = {}

    def __repr__(self) -> str:
        return f"Permissions({len(self._known)} known, {len(self._kinds)} kinds)"

    def of(self, principal: Principal | None, profile: str = "") -> Rights:
        """What somebody may use.

        Args:
            profile: The profile they chose; empty for none.
        """
        rights = self._known.get((principal, profile))
        if rights is None:
            if len(self._known) >= MOST:
                self._known.clear()
            rights = self._known[principal, profile] = self._made(principal, profile)
        return rights

    @property
    def latest(self) -> Permissions:
        """Those that are in force."""
        found = self
        while found.successor is not None:
            found = found.successor
        return found

    def forget(self) -> None:
        """The servers list something else."""
        for rights in self._kinds.values():
            rights.forget()

    def _made(self, principal: Principal | None, profile: str) -> Rights:
        if self._rules is not None and principal is None:
            return self._nothing(NOBODY)
        chosen = self.profiles.holding(profile, principal)
        part = self.profiles.get(chosen) if chosen else None
        if chosen and (part is None or not self.profiles.may_choose(chosen, principal)):
            gone = part is None
            why = "is not in the configuration any more" if gone else "is not for this client"
            return self._nothing(Denial(PROFILE, f'the profile "{chosen}" {why}'))
        general = None if self._rules is None else self._rules.concerning(principal)
        own = None if part is None else part.rules.concerning(principal)
        key = general, chosen, own
        rights = self._kinds.get(key)
        if rights is None:
            layers = [] if self._rules is None or general is None else [self._rules.applying(general)]
            if part is not None and own is not None:
                layers.append(part.rules.applying(own))
            digest = self._digest(general, chosen, own)
            rights = self._kinds[key] = Rights(digest, layers, part, None, self.namespace)
        return rights

    def _nothing(self, why: Denial) -> Rights:
        rights = self._kinds.get((why,))
        if rights is None:
            digest = _digest([why.code, why.reason])
            rights = self._kinds[(why,)] = Rights(digest, (), None, why, self.namespace)
        return rights

    def _digest(self, general: tuple[int, ...] | None, profile: str, own: tuple[int, ...] | None) -> str:
        if general is None and not profile:
            return ""
        config = self._config
        facts: list[Any] = []
        if general is not None and config.authorization is not None:
            rules = config.authorization.rules
            facts += [config.authorization.default_effect, [_content(rules[number]) for number in general]]
        if profile and own is not None:
            chosen = config.profiles[profile]
            has = [profile, chosen.servers, chosen.tools, chosen.default_effect]
            facts += [has, [_content(chosen.rules[number]) for number in own]]
        # What makes verdicts of rules beside their text.
        facts.append({n: [s.prefix, sorted(s.tiers.items())] for n, s in sorted(config.servers.items())})
        return _digest(facts)


def _content(rule: Any) -> list[Any]:
    return [rule.effect, rule.tools, rule.tiers]


def _digest(facts: object) -> str:
    return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()[:24]


def denied(refusal: Denial, tool: str | None = None) -> AuthorizationDenied:
    """The error that says why.

    Args:
        tool: What was refused, by its canonical name; None for a whole list.
    """
    from callmux.failures.registry import message

    what = "this is not allowed" if tool is None else f'"{tool}" is not allowed'
    return AuthorizationDenied(
        message("authorization_denied", f"{what}: {refusal.reason}", {}),
        code=refusal.code,
        reason=refusal.reason,
        ruleId=refusal.rule,
        tool=tool,
    )
