"""What a call is before it goes anywhere: its arguments, with references resolved and shaped to the tool's
input schema, and the directory or credentials it needs. A call stage.

Calls `callmux.rings.references`, `callmux.rings.scopes` and the shaper of the route. The bytes go on as they
came unless something had to be changed. `prepare` is the whole of it, for the ring and for previews alike.
"""

from __future__ import annotations

from collections.abc import Awaitable

import msgspec
from msgspec import Raw

from callmux.context import CallContext
from callmux.protocol.shapes import Result
from callmux.rings.call import Call
from callmux.rings.references.recognition import may_refer
from callmux.rings.references.resolving import References
from callmux.rings.scopes import Scopes
from callmux.rings.stage import Proceed


class Preparing:
    """Call stage: resolves references, shapes the arguments, and finds the scope.

    Args:
        references: Resolves references.
        scopes: Says which directory or credentials a call needs; None where no call does.
        plain: The transparent mode: arguments go on as they came.
    """

    def __init__(
        self, references: References | None = None, scopes: Scopes | None = None, *, plain: bool = False
    ) -> None:
        self._references = references or References()
        self._scopes = scopes
        self._plain = plain

    def __call__(self, call: Call, context: CallContext, proceed: Proceed) -> Awaitable[Result]:
        if self._scopes is not None and not self._scopes.is_plain(call, context):
            return self._prepared(call, context, proceed)
        if call.arguments is None or self._plain:
            return proceed(call, context)
        before = bytes(call.arguments)
        if may_refer(before):
            return self._prepared(call, context, proceed)
        return proceed(self._shaped(call, before, before), context)

    async def _prepared(self, call: Call, context: CallContext, proceed: Proceed) -> Result:
        return await proceed(await self.prepare(call, context), context)

    async def prepare(self, call: Call, context: CallContext) -> Call:
        """The call as it would be sent; the same object where nothing had to change.

        Raises:
            ArgumentResolutionFailed: A reference does not work.
            SessionCwdUnresolved: The server must know the client's directory, and nobody does.
            SessionCwdRefused: It is one that the client may not work in.
        """
        call = await self._with_arguments(call, context)
        if self._scopes is None or self._scopes.is_plain(call, context):
            return call
        scope = await self._scopes.of(call, context)
        return call if scope is None else msgspec.structs.replace(call, scope=scope)

    async def _with_arguments(self, call: Call, context: CallContext) -> Call:
        if call.arguments is None or self._plain:
            return call
        before = arguments = bytes(call.arguments)
        if may_refer(arguments):
            arguments = await self._references.resolve(call, arguments, context)
        return self._shaped(call, before, arguments)

    def _shaped(self, call: Call, before: bytes, arguments: bytes) -> Call:
        shaper = call.route.shaper
        if shaper is not None:
            arguments = shaper(arguments)
        return call if arguments is before else call.with_arguments(Raw(arguments))
