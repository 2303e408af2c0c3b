"""What was switched off is waited for at the end of the process, for a bounded time."""

from __future__ import annotations

from callmux.observe.endings import Endings


class Closing:
    """Something that ends at the first closing that may take its time."""

    def __init__(self, *, stuck: bool = False) -> None:
        self.waits: list[float] = []
        self._stuck = stuck

    def __call__(self, seconds: float) -> bool:
        self.waits.append(seconds)
        return seconds > 0 and not self._stuck


def test_nothing_is_waited_for_before_the_end() -> None:
    endings, closing = Endings(), Closing()
    endings.begin(closing)
    assert (closing.waits, repr(endings)) == ([0], "Endings(1 left)")
    endings.wait(5)
    assert 0 < closing.waits[-1] <= 5


def test_what_has_ended_is_forgotten() -> None:
    endings = Endings()
    endings.begin(lambda seconds: True)
    assert repr(endings) == "Endings(0 left)"


def test_all_together_take_no_longer_than_they_may() -> None:
    endings, stuck, next_one = Endings(), Closing(stuck=True), Closing()
    endings.begin(stuck)
    endings.begin(next_one)
    endings.wait(0)
    assert next_one.waits[-1] == 0
