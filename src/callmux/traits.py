"""What a meta-tool is, as far as others must know. Pure.

Filled in by the rows of `callmux.metatools.table`, carried by a meta-tool's route to the stages, and read
from the table by commands in whose process none runs. It imports nothing but the standard library.
"""

from __future__ import annotations

from typing import NamedTuple


class Traits(NamedTuple):
    """One meta-tool. What a new one leaves out is the careful answer.

    Attributes:
        calls: Whether it makes the calls of its plan; else they are only named in it, or there are none.
        entries: The argument that holds these calls, for messages about them; empty where it varies.
        expands: Whether only the configuration says which calls its plan has.
        transparent: Whether it makes one call and answers what that answers: the limits are those of the
            call's tool.
        relays: Whether its answer may be a server's own result, which keeps to the output schema of its tool.
        tells_of_calls: Whether its answer tells how each of several calls went.
        shielded: Whether its answer is shortened where it is large; else it is asked for in its size, or
            bounded.
        formatted: Whether it has an `outputFormat`.
        harmless: Whether it calls nothing, and a repetition does no harm.
        tier: What it does itself, its calls aside: `read` or `write`, as of any tool.
        restricted: Whether rules must allow it by its name, like a tool of a server; else it does nothing
            that its caller may not do anyway.
        lists: Whether its answer is made of what the servers list: it waits until that is known of each.
        page: Which pages of an index of the servers' tools it has room for, in its description and in that of
            `entries`: 1 for the first ones, 0 for none.
        basic: Whether it belongs to the few through which everything else can be reached.
        takes: Its arguments in a few words, for clients that are not listed it and have it through
            `callmux_call`; empty where they need not be told.
        advice: A line of Markdown for agents, where their instructions do not speak of it already.
    """

    calls: bool = False
    entries: str = ""
    expands: bool = False
    transparent: bool = False
    relays: bool = False
    tells_of_calls: bool = False
    shielded: bool = True
    formatted: bool = True
    harmless: bool = False
    tier: str = "write"
    restricted: bool = False
    lists: bool = False
    page: int = 0
    basic: bool = False
    takes: str = ""
    advice: str = ""
