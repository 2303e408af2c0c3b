"""Stages are taken apart into what is called on the way in and on the way out."""

from __future__ import annotations

from callmux.rings.stage import NO_STAGES, Cancelled, Stages


class Entering:
    def enter(self, job: object) -> None:
        return None


class Leaving:
    def leave(self, job: object, outcome: object) -> object:
        return outcome


class GivingAway(Entering):
    gives_away = True


def test_a_stage_may_lack_one_of_the_two() -> None:
    one, other = Entering(), Leaving()
    stages = Stages([one, other])
    assert stages.enters == (((1, one.enter, False),), (), ())
    assert stages.leaves == ((), (), ((1, other.leave),))
    assert repr(stages) == "Stages(Entering, Leaving)"
    assert (NO_STAGES.enters, NO_STAGES.leaves) == (((),), ((),))


def test_from_each_depth_the_rest_is_entered_inwards_and_left_outwards() -> None:
    stages = Stages([first := Entering(), left := Leaving(), second := GivingAway(), last := Leaving()])
    enters = [(1, first.enter, False), (3, second.enter, True)]
    assert [list(each) for each in stages.enters] == [enters, enters[1:], enters[1:], [], []]
    leaves = [(3, last.leave), (1, left.leave)]
    assert [list(each) for each in stages.leaves] == [[], [], leaves[1:], leaves[1:], leaves]


class Rescuing(Leaving):
    only_failures = True


def test_a_stage_that_looks_at_failures_only_is_not_asked_about_results() -> None:
    stages = Stages([rescuing := Rescuing(), leaving := Leaving()])
    assert stages.leaves[2] == ((1, leaving.leave), (0, rescuing.leave))
    assert stages.returns == ((), (), ((1, leaving.leave),))


def test_what_is_further_in_is_made_once() -> None:
    stages = Stages([Entering(), Leaving(), Entering()])
    assert stages.within(1).stages == stages.stages[1:]
    assert stages.within(1) is stages.within(1)


def test_a_cancellation_says_why() -> None:
    assert Cancelled("too late").reason == "too late"
    assert Cancelled(None).reason is None
