"""A row of the table at work: its definition, its parser, its run. Its module is imported at first use.

Called by `callmux.router`, for listings and requests, by `callmux.process.runtime`, and by `callmux.bridge`,
which reads requests without running them.
"""

from __future__ import annotations

from collections.abc import Awaitable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from msgspec import Raw

from callmux.context import CallContext
from callmux.errors import InvalidArguments
from callmux.fields import Fields, as_object
from callmux.metatools.table import PREFIX, ROWS
from callmux.plan import Plan
from callmux.protocol.shapes import Result
from callmux.traits import Traits

if TYPE_CHECKING:
    from callmux.metatools.engine import Engine


class MetaTool:
    """One meta-tool. Its module has `NAME`, `DEFINITION`, `parse`, `run` and, where it `expands`, `expand`.

    Args:
        word: The name of its module.
        traits: What it is.

    Attributes:
        name: Its name.
        traits: What it is.
    """

    __slots__ = ("_module", "_word", "name", "traits")

    def __init__(self, word: str, traits: Traits) -> None:
        self.name = PREFIX + word
        self.traits = traits
        self._word = word
        self._module: Any = None

    def __repr__(self) -> str:
        return f"MetaTool({self.name})"

    @property
    def _its(self) -> Any:
        if self._module is None:
            self._module = import_module(f"callmux.metatools.{self._word}")
        return self._module

    @property
    def definition(self) -> dict[str, Any]:
        """The tool as `tools/list` shows it."""
        shown: dict[str, Any] = self._its.DEFINITION
        return shown

    def read(self, arguments: Raw | None) -> Plan:
        """The plan of a request with these arguments; None means none were given.

        Raises:
            InvalidArguments: They are malformed.
        """
        try:
            members = {} if arguments is None else as_object(arguments, "arguments")
        except InvalidArguments as error:
            # Clients know this mistake by the first member that is missing for it.
            required = self.definition["inputSchema"].get("required", ["arguments"])
            raise InvalidArguments(error.message, field=required[0]) from None
        return self.parse(Fields(members))

    def parse(self, fields: Fields) -> Plan:
        """Reads the members of the request's arguments.

        Raises:
            InvalidArguments: They are malformed.
        """
        plan: Plan = self._its.parse(fields)
        return plan

    def expand(self, plan: Plan, engine: Engine) -> Plan:
        """The plan with what the configuration says, before any stage sees it.

        Raises:
            CallmuxError: The configuration has not what is asked for.
        """
        if not self.traits.expands:
            return plan
        filled: Plan = self._its.expand(plan, engine)
        return filled

    def run(self, plan: Plan, engine: Engine, context: CallContext) -> Awaitable[Result]:
        """Does what the plan says. A plan runs under *its own* name, which need not be that of the tool it
        was read by: a page of a stored result may be asked for through `callmux_call`."""
        running: Awaitable[Result] = self._its.run(plan, engine, context)
        return running


META_TOOLS: dict[str, MetaTool] = {
    tool.name: tool for tool in (MetaTool(word, traits) for word, traits in ROWS.items())
}
"""Every meta-tool by its name."""


def definitions() -> list[dict[str, Any]]:
    """The definitions in listing order."""
    return [tool.definition for tool in META_TOOLS.values()]
