"""What whoever looks at the dashboard may do there, and what keeps them from the rest. Pure.

Asked by `callmux.dashboard.entry`. Looking needs a credential of the listener, and a rule where there are
rules; calling a tool is up to the rules as everywhere; changing what others have needs a credential of the
management interface, or a code that a command gave the user of this machine.
"""

from __future__ import annotations

import msgspec

from callmux.guard.browsers import Browser
from callmux.guard.principal import MANAGEMENT, Principal

RIGHT = "callmux_dashboard"
"""The name that rules know the dashboard by."""
SIGN_IN = (
    "sign in: with a token, or with the address that `callmux dashboard` prints on the machine of callmux"
)
NO_RULE = f'no rule allows you "{RIGHT}": an administrator can add one'
NO_CLIENT = "a token of `management.auth` calls no tools: sign in with a token of `auth`, too"
NOBODY = "`authorization` applies, and the listener has no `auth`: nobody may call anything"
NO_MANAGER = "sign in with a token of `management.auth`, or with the address that `callmux dashboard` prints"
NO_TOKENS = "open the address that `callmux dashboard` prints, or set `management.auth` in the configuration"
OFF = "set `management.enabled` in the configuration"
NO_PERSON = "run `callmux dashboard` in a terminal: only a person allows calls"


class WhoLooks(msgspec.Struct, frozen=True, kw_only=True):
    """Who looks, and at what kind of listener.

    Attributes:
        visitor: The browser, where it has signed in.
        principal: Whom the request stands for.
        is_allowed: Whether rules let that principal look.
        asks: Whether the listener asks for credentials.
        has_rules: Whether it has rules.
        has_managers: Whether the management interface has credentials of its own.
        managed: Whether there is a management interface.
    """

    visitor: Browser | None
    principal: Principal | None
    is_allowed: bool
    asks: bool
    has_rules: bool
    has_managers: bool
    managed: bool


class Powers(msgspec.Struct, frozen=True, kw_only=True):
    """What keeps somebody from each thing; empty where nothing does.

    Attributes:
        look: From seeing anything.
        call: From calling tools.
        steer: From giving up calls of others, and from restarting servers.
        manage: From changing servers.
        approve: From deciding about calls that wait for a person.
    """

    look: str = ""
    call: str = ""
    steer: str = ""
    manage: str = ""
    approve: str = ""

    def shown(self) -> dict[str, dict[str, object]]:
        """What somebody may do, and why not the rest, as the page gets it."""
        found: dict[str, str] = msgspec.structs.asdict(self)
        return {
            "may": {name: not why for name, why in found.items()},
            "why": {name: why for name, why in found.items() if why},
        }


def powers_of(standing: WhoLooks) -> Powers:
    """What somebody may do."""
    look = _look(standing)
    if look:
        return Powers(look=look, call=look, steer=look, manage=look, approve=look)
    steer = _steer(standing)
    visitor = standing.visitor
    has_person = visitor is not None and (visitor.person or visitor.manager is not None)
    return Powers(
        call=_call(standing),
        steer=steer,
        manage=steer or ("" if standing.managed else OFF),
        approve=steer or ("" if has_person else NO_PERSON),
    )


def _is_manager(visitor: Browser | None) -> bool:
    return visitor is not None and (visitor.manager is not None or visitor.operator is not None)


def _look(standing: WhoLooks) -> str:
    if standing.asks and standing.principal is None:
        return SIGN_IN
    return "" if _is_manager(standing.visitor) or standing.is_allowed else NO_RULE


def _call(standing: WhoLooks) -> str:
    principal = standing.principal
    if principal is None:
        return NOBODY if standing.has_rules else ""
    return NO_CLIENT if principal.kind == MANAGEMENT else ""


def _steer(standing: WhoLooks) -> str:
    if _is_manager(standing.visitor):
        return ""
    return NO_MANAGER if standing.has_managers else NO_TOKENS
