"""The records of what can happen."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import msgspec
import pytest

from callmux.guard.principal import Principal
from callmux.observe import facts


@pytest.mark.parametrize("kind", facts.Fact.__subclasses__(), ids=lambda kind: kind.__name__)
def test_each_is_frozen_and_says_who_publishes_it_and_what_each_field_is(kind: type[msgspec.Struct]) -> None:
    assert kind.__struct_config__.frozen
    said = " ".join((kind.__doc__ or "").split())
    assert re.search(r"Published by (the|whoever|`callmux)", said)
    listed = re.findall(r"([a-z_, ]+): ", said.partition("Attributes:")[2])
    named = {word.strip() for line in listed for word in line.split(",")}
    assert set(kind.__struct_fields__) - {"server"} <= named  # `Fact` says what `server` is


def test_every_record_of_the_module_is_a_fact() -> None:
    made = {c for c in vars(facts).values() if isinstance(c, type) and issubclass(c, msgspec.Struct)}
    assert made - {Principal, facts.Fact} == set(facts.Fact.__subclasses__())
    assert len(made) > 15


@pytest.mark.parametrize("kind", facts.Fact.__subclasses__(), ids=lambda kind: kind.__name__)
def test_a_test_of_whoever_publishes_it_hears_each(kind: type[msgspec.Struct]) -> None:
    """Beside those here, which only make records: a kind that nobody publishes would not be missed."""
    assert kind.__name__ in words_elsewhere()


@cache
def words_elsewhere() -> set[str]:
    here = Path(__file__).parent
    paths = [path for path in here.parent.rglob("test_*.py") if path.parent != here]
    return {word for path in paths for word in re.findall(r"\w+", path.read_text("utf-8"))}
