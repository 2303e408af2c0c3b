"""Profiles: named parts of what there is, and which one a client gets. Pure.

Called by `callmux.guard.rights` (what a profile has) and by whoever begins a session (which one it is). A
profile only ever takes away: rules of `authorization` hold in each.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Mapping, Sequence

import msgspec

from callmux import names
from callmux.config.profiles import Profile
from callmux.guard.principal import Principal
from callmux.guard.rules import PROFILE, Denial, Rules
from callmux.guard.wanted import OFFER, TOOL


class Part(msgspec.Struct, frozen=True):
    """What one profile has.

    Attributes:
        name: The profile.
        servers: Its servers; None for all.
        tools: Its tools, by any of their names; None for all.
        rules: What holds in it beside.
        persona: The persona of its clients; None for that of all others.
    """

    name: str
    servers: re.Pattern[str] | None
    tools: re.Pattern[str] | None
    rules: Rules
    persona: str | None = None

    def has_server(self, server: str) -> bool:
        """Whether anything of a server is in it."""
        return self.servers is None or self.servers.fullmatch(server) is not None

    def refusal(self, server: str, own: Sequence[str], kind: str) -> Denial | None:
        """Why it has not got something; None where it has."""
        missing = None
        if not self.has_server(server):
            missing = f'the server "{server}"'
        elif self.tools is not None and kind != OFFER and not any(map(self.tools.fullmatch, own)):
            missing = "this tool" if kind == TOOL else "this method"
        if missing is None:
            return None
        return Denial(PROFILE, f'the profile "{self.name}" does not have {missing}')


class Profiles:
    """The profiles of one configuration.

    Args:
        profiles: By name, in the order of the file.
    """

    def __init__(self, profiles: Mapping[str, Profile]) -> None:
        self._parts = {
            name: Part(
                name,
                names.pattern(profile.servers) if profile.servers is not None else None,
                names.pattern(profile.tools) if profile.tools is not None else None,
                Rules(profile.rules, profile.default_effect, f'the profile "{name}"'),
                profile.persona,
            )
            for name, profile in profiles.items()
        }
        # A list without patterns has nothing: no pattern would mean everything.
        for name, profile in profiles.items():
            nothing = re.compile(r"(?!)")
            part = self._parts[name]
            if profile.servers == ():
                part = msgspec.structs.replace(part, servers=nothing)
            if profile.tools == ():
                part = msgspec.structs.replace(part, tools=nothing)
            self._parts[name] = part
        self._principals = {
            name: pattern
            for name, profile in profiles.items()
            if (pattern := names.pattern(profile.principals or ())) is not None
        }
        self._directories = [
            (os.path.normpath(directory), name)
            for name, profile in profiles.items()
            for directory in profile.directories
        ]

    def __len__(self) -> int:
        return len(self._parts)

    def get(self, name: str) -> Part | None:
        """The profile of that name."""
        return self._parts.get(name)

    def for_principal(self, principal: Principal | None) -> list[str]:
        """The profiles that are meant for somebody by name: if there are any, one of them holds, always."""
        known = () if principal is None else principal.names
        return [name for name, pattern in self._principals.items() if any(map(pattern.fullmatch, known))]

    def may_choose(self, name: str, principal: Principal | None) -> bool:
        """Whether somebody may ask for a profile by its name."""
        if name not in self._parts:
            return False
        meant = self.for_principal(principal)
        return name in meant if meant else name not in self._principals

    def for_directory(self, directory: str | None, principal: Principal | None) -> str:
        """The profile of whoever works in a directory: that of the nearest one around it; empty for none."""
        if directory is None:
            return ""
        where = os.path.join(os.path.normpath(directory), "")
        around = [
            (len(top), name)
            for top, name in self._directories
            if where.startswith(os.path.join(top, "")) and self.may_choose(name, principal)
        ]
        return max(around, key=lambda one: one[0])[1] if around else ""

    def holding(self, asked: str, principal: Principal | None) -> str:
        """The profile that holds where `asked` was chosen; empty for none."""
        meant = self.for_principal(principal)
        return asked if not meant or asked in meant else meant[0]
