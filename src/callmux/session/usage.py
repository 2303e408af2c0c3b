"""What a conversation costs its model, as the client has it, and as it would be without callmux: sizes.

A session has one; told of each tool call by `callmux.session.request`, read by `callmux.session.consumption`,
which makes tokens of bytes. The model is that of `benchmarks/context.py`: a turn is one answer of the model,
what it asks for and what comes back; every turn reads the definitions of the tools and the whole conversation
before it, and one more turn reads the last result.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from callmux.protocol.shapes import Result
from callmux.rings.ring import Job

AROUND = 30
"""Bytes of a request beside its arguments: the name of the tool, and what names the two."""
MOST_SIZES = 1000
"""Calls of a turn whose sizes are kept apart."""
_STRUCTURED = b'"}],"structuredContent":'


class Course:
    """One way of having the same conversation.

    Attributes:
        turns: How many turns it has taken.
        calls: How many calls the model has made.
        new: Bytes of what was asked and told.
        read: Bytes that the turns have read; definitions, which each turn reads too, are not among them.
    """

    __slots__ = ("calls", "new", "read", "turns")

    def __init__(self) -> None:
        self.turns = self.calls = self.new = self.read = 0

    def __repr__(self) -> str:
        return f"Course({self.calls} calls in {self.turns} turns, {self.new} bytes new, {self.read} read)"

    def turn(self, size: int) -> None:
        """A turn in which so much was asked and told."""
        self.go_on(1, size, 0)

    def go_on(self, turns: int, new: int, read: int) -> None:
        """So many turns, counted from nothing."""
        self.read += turns * self.new + read
        self.turns += turns
        self.new += new


class Usage:
    """One conversation, three ways.

    Attributes:
        seen: As the client has it.
        apart: Each call to a server a turn of its own, directly to that server, its result whole.
        together: The same, but calls that need no other's result in one turn, as clients can that ask for
            several at once.
        turns, new, read: Turns of one direct call whose result is whole, as nearly all are, since all ways
            were up to date; their bytes as in `Course`, less those around the arguments. They cost the same
            in every way. Each request counts them itself, which costs it next to nothing.
        sizes: The bytes of each such call in the turn under way, where that has several calls.
        open: Whether other calls belong to the turn under way.
    """

    __slots__ = (*("_held", "_told", "apart", "new", "open", "read", "seen", "sizes", "together", "turns"),)

    def __init__(self) -> None:
        self.seen, self.apart, self.together = Course(), Course(), Course()
        self.turns = self.new = self.read = 0
        self.sizes: list[int] = []
        self.open = False
        # The turn under way: bytes as seen, and together.
        self._told = self._held = 0

    def __repr__(self) -> str:
        return f"Usage(seen: {self.seen}, apart: {self.apart}, together: {self.together})"

    @property
    def told(self) -> int:
        """Bytes of the conversation so far, as the client has it, the turn under way among them."""
        self.settle()
        return self.seen.new + self._told

    def settle(self) -> None:
        """Brings all ways up to date."""
        if turns := self.turns:
            new, read = self.new + turns * AROUND, self.read + turns * (turns - 1) // 2 * AROUND
            for way in (self.seen, self.apart, self.together):
                way.go_on(turns, new, read)
                way.calls += turns
            self.turns = self.new = self.read = 0
        if calls := len(self.sizes):
            new = sum(self.sizes) + calls * AROUND
            self.apart.go_on(
                calls, new, sum(accumulate(self.sizes)) + calls * (calls + 1) // 2 * AROUND - new
            )
            for way in (self.seen, self.apart, self.together):
                way.calls += calls
            self._told += new
            self._held += new
            self.sizes.clear()

    def direct(self, size: int, *, alone: bool) -> None:
        """A direct call has its whole result, which is the same in every way.

        Args:
            size: Bytes of arguments and result.
            alone: Whether the turn is over; see `ended`.
        """
        if alone and not self.open:
            self.turns += 1
            self.read += self.new
            self.new += size
            return
        self.open = True
        self.sizes.append(size)
        if alone:
            self.end_turn()
        elif len(self.sizes) > MOST_SIZES:
            self.settle()

    def ended(self, job: Job, result: Result, *, alone: bool) -> None:
        """A tool call has its result that is not the same in every way.

        Args:
            alone: Whether no other tool call of the client is under way, so that the turn is over.
        """
        self.settle()
        plan = job.plan
        if plan is not None:
            self.seen.calls += 1
            if (made := plan.made) is None:
                sent = sum(0 if one.arguments is None else len(bytes(one.arguments)) for one in plan.calls)
                self._told += sent + AROUND + len(result.raw)
                self._hold([sent + (result.before or len(result.raw))])
            else:
                self._told += made.asked + AROUND + _text_size(result.raw)
                self._hold(made.sizes, made.in_turns)
        self.open = True
        if alone:
            self.end_turn()

    def end_turn(self) -> None:
        """The turn under way is over."""
        self.settle()
        self.seen.turn(self._told)
        self._told = 0
        self._flush()
        self.open = False

    def _hold(self, sizes: Sequence[int], in_turns: bool = False) -> None:
        """Takes calls of a request: turns where each is one, and where each needed the one before."""
        new = read = 0
        for size in sizes:
            if new and in_turns:
                self._flush()
            read += new
            new += size + AROUND
            self._held += size + AROUND
        self.apart.go_on(len(sizes), new, read)
        self.apart.calls += len(sizes)
        self.together.calls += len(sizes)

    def _flush(self) -> None:
        if self._held:
            self.together.turn(self._held)
            self._held = 0


def _text_size(raw: bytes) -> int:
    """Bytes of an answer of ours that a model reads: its structured content says the same once more."""
    at = raw.find(_STRUCTURED)
    return len(raw) if at < 0 else at
