"""Rules that allow or deny: who they are about, what they fit, and what follows. Pure.

Called by `callmux.guard.rights`. The order of rules is irrelevant and a denial is the stronger one. Rules:
docs/authorization.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import msgspec

from callmux import names
from callmux.config.security import Rule
from callmux.guard.principal import Principal

DEFAULT_DENY = "authorization_default_deny"
DENIED = "authorization_denied"
AMBIGUOUS = "authorization_ambiguous"
AMBIGUOUS_TARGET = "authorization_ambiguous_target"
PRINCIPAL_MISSING = "authorization_principal_missing"
PROFILE = "authorization_profile"


class Denial(msgspec.Struct, frozen=True):
    """Why something may not be used.

    Attributes:
        code: One of the codes above.
        reason: The same in words.
        rule: The id of the rule that denies it.
    """

    code: str
    reason: str
    rule: str | None = None


class _Compiled(msgspec.Struct, frozen=True):
    id: str
    denies: bool
    tools: re.Pattern[str] | None
    tiers: tuple[str, ...]
    written: tuple[str, ...]

    def fits(self, spelled: Iterable[str], tier: str) -> bool:
        if self.tiers and tier not in self.tiers:
            return False
        return self.tools is None or any(map(self.tools.fullmatch, spelled))


class Applying:
    """The rules that concern one client.

    Args:
        rules: These rules.
        allows: Whether what no rule fits is allowed.
        section: The key of the configuration they stand in, for messages.
    """

    def __init__(self, rules: Sequence[_Compiled], allows: bool, section: str) -> None:
        self._denying = [rule for rule in rules if rule.denies]
        self._allowing = [rule for rule in rules if not rule.denies]
        self._allows = allows
        self._section = section

    def refusal(self, spelled: Sequence[str], own: Sequence[str], tier: str) -> Denial | None:
        """Why a target may not be used; None where it may.

        Args:
            spelled: All its names: a denial may mean any of them.
            own: Those that are certainly its own: what is allowed must be one of them.
            tier: What it may do.
        """
        allowed = any(rule.fits(own, tier) for rule in self._allowing)
        for rule in self._denying:
            if rule.fits(spelled, tier):
                also = ", and a denial is stronger than another rule that allows it" if allowed else ""
                reason = f'the rule "{rule.id}" of {self._section} denies it{also}'
                return Denial(AMBIGUOUS if allowed else DENIED, reason, rule.id)
        if allowed or self._allows:
            return None
        reason = f"no rule of {self._section} allows it, and what no rule allows is denied"
        return Denial(DEFAULT_DENY, reason)

    def named(self, name: str, start: str) -> Denial | None:
        """The denial that means something of callmux itself by name: its pattern begins with `start`."""
        for rule in self._denying:
            meant = [glob for glob in rule.written if glob.startswith(start)]
            pattern = names.pattern(meant)
            if not rule.tiers and pattern is not None and pattern.fullmatch(name):
                return Denial(DENIED, f'the rule "{rule.id}" of {self._section} denies it', rule.id)
        return None

    def could_allow(self, prefixes: Sequence[str]) -> bool:
        """Whether something may be allowed whose name begins with one of these and `__`."""
        return self._allows or any(
            not rule.written or any(_may_fit(glob, prefix) for glob in rule.written for prefix in prefixes)
            for rule in self._allowing
        )


class Rules:
    """The rules of one section of the configuration.

    Args:
        rules: The rules as configured.
        default_effect: What happens to what no rule fits.
        section: Its key, for messages.
    """

    def __init__(self, rules: Sequence[Rule], default_effect: str, section: str) -> None:
        self._section = section
        self._allows = default_effect == "allow"
        self._rules = [
            (
                names.pattern(rule.principals or ()),
                _Compiled(
                    id=rule.id or f"rule_{number}",
                    denies=rule.effect == "deny",
                    tools=names.pattern(rule.tools or ()),
                    tiers=tuple(rule.tiers or ()),
                    written=tuple(rule.tools or ()),
                ),
            )
            for number, rule in enumerate(rules, 1)
        ]

    def concerning(self, principal: Principal | None) -> tuple[int, ...]:
        """The numbers of the rules that are about somebody; of nobody, those that are about everybody."""
        known = () if principal is None else principal.names
        return tuple(
            number
            for number, (pattern, _) in enumerate(self._rules)
            if pattern is None or any(map(pattern.fullmatch, known))
        )

    def applying(self, numbers: Iterable[int]) -> Applying:
        """The rules with these numbers."""
        return Applying([self._rules[number][1] for number in numbers], self._allows, self._section)


def _may_fit(glob: str, prefix: str) -> bool:
    """Whether a pattern can mean something of the server that this prefix names."""
    head, star, _ = glob.partition("*")
    start = prefix + names.SEPARATOR
    if names.SEPARATOR not in glob:
        # It may mean a tool by its own name, whatever its server.
        return True
    return head.startswith(start) or (bool(star) and start.startswith(head))
