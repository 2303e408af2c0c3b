"""What somebody wants to use, with every name that a rule may mean it by. Pure.

A name that a caller used is never among them: they follow from the configuration and from what the server
lists. Made by `callmux.router.routing` and `callmux.router.sight`; judged by `callmux.guard.rights`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from callmux import names
from callmux.guard.tiers import READ, WRITE, of_method
from callmux.guard.uris import MOST_LETTERS, forms, shorter
from callmux.protocol import extensions

TOOL = "tool"
OFFER = "offer"
METHOD = "method"
ENDLESS = "endless"
"""A thing whose name is too long to be judged: it is denied wherever rules apply."""

_OFFERS = frozenset(
    {
        "prompts/get",
        "resources/read",
        "resources/subscribe",
        "resources/unsubscribe",
        "completion/complete",
        *extensions.ADDRESSED,
    }
)


class Judged(Protocol):
    """What is judged: a `callmux.rings.route.Route`, or a `Wanted`.

    Attributes:
        server: The server's key.
        bare: Its name there.
        names: Every name that a rule may mean it by.
        tier: `read`, `write` or `destroy`.
    """

    @property
    def server(self) -> str: ...

    @property
    def bare(self) -> str: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def tier(self) -> str: ...


class Wanted(msgspec.Struct, frozen=True):
    """What somebody wants that is no route.

    Attributes:
        kind: `tool`, `offer` (a prompt, resource or template), `method` for any other request, or `endless`.
        also: Further names that only a denial may mean it by.
    """

    server: str
    bare: str
    names: tuple[str, ...]
    tier: str = READ
    kind: str = TOOL
    also: tuple[str, ...] = ()


class Namespace:
    """Whose a name is.

    Args:
        prefixes: The servers with their configured prefixes, in configuration order.
        reserved: Names that belong to callmux itself.
    """

    def __init__(self, prefixes: Mapping[str, str | None], reserved: frozenset[str] = frozenset()) -> None:
        self._prefixes = prefixes
        self._reserved = reserved
        self._owners: dict[str, str] = {}
        for server, prefix in prefixes.items():
            if prefix:
                self._owners.setdefault(prefix, server)
        for server in prefixes:
            self._owners[server] = server

    def own(self, server: str, spelled: Iterable[str]) -> tuple[str, ...]:
        """Those of the names that nobody can take for those of another server, or of callmux.

        A server chooses the names of its tools: one that calls a tool `github__delete` must not be allowed
        what was said of the server `github`.
        """
        return tuple(name for name in spelled if name not in self._reserved and self._is_of(server, name))

    def _is_of(self, server: str, name: str) -> bool:
        for prefix in names.possible_prefixes(name):
            owner = self._owners.get(prefix)
            if owner is not None:
                return owner == server
        return True

    def spelled(self, server: str, name: str) -> tuple[str, ...]:
        """The names of a thing of a server that is no tool: a prompt, a URI, a method."""
        return tuple(names.spellings(server, name, self._prefixes.get(server)))

    def prefixes_of(self, server: str) -> list[str]:
        """What stands before `__` in names of a server."""
        prefix = self._prefixes.get(server)
        return [server, prefix] if prefix else [server]

    def offer(self, server: str, name: str) -> list[Wanted]:
        """A prompt, a resource or a template, in each of its spellings: all must be allowed."""
        if len(name) > MOST_LETTERS:
            return [Wanted(server, name, (), READ, ENDLESS)]
        also = tuple(spelled for form in shorter(name) for spelled in self.spelled(server, form))
        return [Wanted(server, form, self.spelled(server, form), READ, OFFER, also) for form in forms(name)]

    def request(self, server: str, method: str, name: str) -> list[Wanted]:
        """What another request than a tool call is for: something the server offers, or the method itself."""
        if method in _OFFERS:
            return self.offer(server, name)
        tier = of_method(method)
        return [Wanted(server, method, self.spelled(server, method), tier, METHOD)]


def literal(tool: str, server: str | None) -> Wanted:
    """A name that leads nowhere, taken as it stands."""
    if server is None or names.strip_prefix(server, tool) is not None:
        prefix = next(iter(reversed(names.possible_prefixes(tool))), "")
        return Wanted(server or prefix, tool, (tool,), WRITE)
    return Wanted(server, tool, (names.join(server, tool),), WRITE)
