"""What a stage is: what happens before a call or a request goes on, and after it has come back. Pure.

A *call stage* stands around one call to one upstream; a *request stage* around a whole plan. Both have the
same two functions, and `callmux.rings.ring` runs both. Which stages there are, and in which order, is
`callmux.rings.order`.

`enter(job)` gives

- None: the next stage enters;
- a `Result`: that is the outcome, nothing further in is done;
- `HELD`: somebody else has the job now, `job.holder`, and brings the outcome with `ring.settle`; a stage
  that gives jobs away says so with `gives_away`;
- a coroutine: the job waits for it. It gives None, a `Result`, or `AGAIN`: enter this stage once more.

`leave(job, outcome)` is called exactly once for each time that `enter` ended with None or `HELD`, from the
innermost stage outwards. It gives the outcome as it is from there on, a coroutine for it, or `AGAIN`: the
stage is entered once more. What either raises is the outcome. A stage may lack one of the two. One whose
`leave` gives back every result as it is says so with `only_failures`, one that gives back those of at most
`SMALL` bytes with `only_large`, and is not asked about them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from enum import Enum
from typing import Any, TypeAlias

from callmux.protocol.shapes import Result


class Sign(Enum):
    """What a stage gives in place of an outcome."""

    HELD = "somebody else has it now"
    AGAIN = "enter this stage once more"


SMALL = 2000
"""Bytes of a result that is not large for any stage."""
HELD = Sign.HELD
AGAIN = Sign.AGAIN


class Cancelled(Exception):
    """The outcome of a job that nobody wants any more.

    Args:
        reason: Why, in the words of whoever gave it up; None where they gave none.
    """

    def __init__(self, reason: str | None) -> None:
        super().__init__(reason)
        self.reason = reason


Outcome: TypeAlias = Result | BaseException
"""What a job ends with: a result, a failure, or `Cancelled`."""

Entered: TypeAlias = Result | Sign | Coroutine[Any, Any, Result | Sign | None] | None
Left: TypeAlias = Outcome | Sign | Coroutine[Any, Any, Outcome | Sign]
Leaves: TypeAlias = tuple[tuple[int, Callable[[Any, Outcome], Left]], ...]
"""What is called on the way out, each with the depth that it leads to."""


class Stages:
    """Stages in their order, taken apart into what is called on the way in and on the way out.

    Args:
        stages: The outermost first.

    Attributes:
        enters: What is called on the way in once so many stages are entered: each `enter` with the depth that
            it leads to, and whether it gives the job away. Stages without one are passed over.
        leaves: What is called on the way out of so many stages: each `leave` with the depth that it leads to.
        returns: The same for a result, without the stages that look at failures only.
        small: The same for one of at most `SMALL` bytes, also without those that look at larger ones only.
    """

    __slots__ = ("_inner", "enters", "leaves", "returns", "small", "stages")

    def __init__(self, stages: Sequence[Any]) -> None:
        self.stages = tuple(stages)
        enters = [
            (depth, stage.enter, getattr(stage, "gives_away", False))
            for depth, stage in enumerate(stages, 1)
            if hasattr(stage, "enter")
        ]
        leaves = [(depth, stage.leave) for depth, stage in enumerate(stages) if hasattr(stage, "leave")]
        depths = range(len(self.stages) + 1)
        self.enters: tuple[tuple[tuple[int, Callable[[Any], Entered], bool], ...], ...] = tuple(
            tuple(one for one in enters if one[0] > depth) for depth in depths
        )
        self.leaves: tuple[Leaves, ...] = tuple(
            tuple(one for one in reversed(leaves) if one[0] < depth) for depth in depths
        )
        self.returns = self._asked("only_failures")
        self.small = self._asked("only_failures", "only_large")
        self._inner: dict[int, Stages] = {}

    def _asked(self, *but: str) -> tuple[Leaves, ...]:
        """`leaves` without the stages that say one of these of themselves."""
        stages = self.stages
        return tuple(
            tuple(one for one in each if not any(getattr(stages[one[0]], what, False) for what in but))
            for each in self.leaves
        )

    def __repr__(self) -> str:
        return f"Stages({', '.join(type(stage).__name__ for stage in self.stages)})"

    def within(self, depth: int) -> Stages:
        """The stages further in than the first `depth`."""
        inner = self._inner.get(depth)
        if inner is None:
            inner = self._inner[depth] = Stages(self.stages[depth:])
        return inner


NO_STAGES = Stages(())
