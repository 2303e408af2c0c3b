"""Whom a credential stands for. Pure.

Found by the checks of `callmux.guard.gate`; goes with a request in `callmux.context` to whatever decides by
it. Names are those of callmux (npm), so that rules written for it hold.
"""

from __future__ import annotations

import msgspec

MANAGEMENT = "management"
"""The kind of whoever shows a credential of the management interface."""
OPERATOR = "operator"
"""The kind of the user of this machine, in a browser that a command has let in."""
MANAGERS = (MANAGEMENT, OPERATOR)
"""The kinds of those who may change servers."""


def signer_of(principal: Principal | None) -> str:
    """Whose sign-ins to servers are used: those of a principal; empty for the user of this machine."""
    return "" if principal is None or principal.kind == "stdio" else principal.label


class Principal(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """Somebody who showed a credential.

    Attributes:
        kind: What the credential was: `bearer`, `oidc_jwt`, `management`, or `stdio` and `operator` for the
            user of this machine.
        id: Its name in the configuration, or the subject of a token.
        subject: The `sub` of a token.
        scopes: What a token was issued for.
        groups: What its subject belongs to.
        label: Names this principal and no other, whatever is given for it.
    """

    kind: str
    id: str
    subject: str | None = None
    scopes: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    label: str = ""

    def __post_init__(self) -> None:
        # Every request asks for it.
        msgspec.structs.force_setattr(self, "label", f"{self.kind}:{self.id}")

    @property
    def names(self) -> tuple[str, ...]:
        """Every string by which a rule may mean it."""
        subject = () if self.subject is None else (f"subject:{self.subject}",)
        return (
            self.label,
            f"id:{self.id}",
            f"kind:{self.kind}",
            *subject,
            *(f"scope:{scope}" for scope in self.scopes),
            *(f"group:{group}" for group in self.groups),
        )
