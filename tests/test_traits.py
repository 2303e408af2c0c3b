"""What is not said of a meta-tool is the careful answer."""

from __future__ import annotations

from callmux.traits import Traits


def test_a_tool_of_which_nothing_is_said_is_bounded_and_not_repeated() -> None:
    traits = Traits()
    assert traits.shielded
    assert {traits.harmless, traits.relays, traits.transparent, traits.expands} == {False}
