"""What all facts have in common."""

from __future__ import annotations

from callmux.observe import fact, facts


def test_whoever_knows_the_facts_knows_what_they_have_in_common() -> None:
    assert facts.Fact is fact.Fact
    assert facts.Fact.__struct_config__.frozen
    ends = (fact.OK, fact.TOOL_ERROR, fact.FAILED, fact.CANCELLED)
    assert ends == (facts.OK, facts.TOOL_ERROR, facts.FAILED, facts.CANCELLED)
    assert len(set(ends)) == 4
