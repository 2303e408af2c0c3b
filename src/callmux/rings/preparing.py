"""What a call is before it goes anywhere: its arguments, with references resolved and shaped to the tool's
input schema, and the directory or credentials it needs. A call stage.

Calls `callmux.rings.references`, `callmux.rings.scopes` and the shaper of the route. The bytes go on as they
came unless something had to be changed. `prepare` is the whole of it, for the ring and for previews alike.
"""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from typing import Any

import msgspec

from callmux.context import Scope
from callmux.rings.call import Call
from callmux.rings.coercion import ENVELOPE
from callmux.rings.references.recognition import may_refer
from callmux.rings.references.resolving import References
from callmux.rings.route import Route
from callmux.rings.scopes import Scopes

DOLLAR, BACKSLASH = b"$\\"


class Preparing:
    """Call stage: resolves references, shapes the arguments, and finds the scope.

    Args:
        references: Resolves references.
        scopes: Says which directory or credentials a call needs; None where no call does.
        plain: Whether this is the transparent mode: arguments go on as they came.
    """

    def __init__(
        self, references: References | None = None, scopes: Scopes | None = None, *, plain: bool = False
    ) -> None:
        self._references = references or References()
        self._scopes = scopes if scopes is not None and scopes.rules else None
        self._is_strict = scopes is not None and bool(scopes.strict)
        self._plain = plain

    def concerns(self, route: Route) -> bool:
        """Whether it can have something to do for a call."""
        return not self._plain or (self._scopes is not None and route.server in self._scopes.rules)

    def enter(self, call: Call) -> Coroutine[Any, Any, None] | None:
        before = call.arguments
        if before is not None and not self._plain:
            # Nearly always neither of the two signs that every reference has. With numbers: `in` tries bytes
            # as a number first, and drops an exception.
            if (DOLLAR in before or BACKSLASH in before) and may_refer(before):
                return self._prepare(call)
            shaper = call.route.shaper
            if shaper is not None and (shaper.always or before.partition(ENVELOPE)[1]):
                try:
                    shaper.fits(before)
                except (msgspec.MsgspecError, RecursionError, UnicodeError):
                    if (shaped := shaper.shape(before)) is not before:
                        call.arguments = shaped
        scopes = self._scopes
        if scopes is not None and (
            call.context.find_cwd is not None
            or ((call.asked.cwd is not None or self._is_strict) and not scopes.is_plain(call))
        ):
            scope = scopes.of(call)
            if scope is not None:
                if not isinstance(scope, Scope):
                    return self._take(call, scope)
                call.scope = scope
        return None

    async def _take(self, call: Call, scope: Awaitable[Scope | None]) -> None:
        """Enters where the client is asked for its directory."""
        call.scope = await scope

    async def prepare(self, call: Call) -> Call:
        """The call as it would be sent.

        Raises:
            ArgumentResolutionFailed: A reference does not work.
            SessionCwdUnresolved: The server must know the client's directory, and nobody does.
            SessionCwdRefused: It is one that the client may not work in.
        """
        await self._prepare(call)
        return call

    async def _prepare(self, call: Call) -> None:
        if call.arguments is not None and not self._plain:
            before = arguments = call.arguments
            if may_refer(arguments):
                arguments = await self._references.resolve(call, arguments, call.context)
            shaper = call.route.shaper
            if shaper is not None:
                arguments = shaper(arguments)
            if arguments is not before:
                call.arguments = arguments
        if self._scopes is not None and not self._scopes.is_plain(call):
            scope = self._scopes.of(call)
            call.scope = scope if scope is None or isinstance(scope, Scope) else await scope
