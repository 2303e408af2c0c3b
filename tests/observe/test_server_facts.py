"""What can happen to servers is told like everything else."""

from __future__ import annotations

import pytest

from callmux.observe import facts, server_facts
from callmux.observe.fact import Fact

KINDS = [kind for kind in Fact.__subclasses__() if kind.__module__ == server_facts.__name__]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_names_its_server_and_stands_among_all_facts(kind: type[Fact]) -> None:
    assert "server" in kind.__struct_fields__
    assert getattr(facts, kind.__name__) is kind


def test_a_tool_suite_that_only_grew_has_lost_nothing() -> None:
    changed = facts.ToolSuiteChanged(server="s", generation=2, added=("t",))
    assert (changed.added, changed.removed) == (("t",), ())
