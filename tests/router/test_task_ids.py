"""An id of a task leads its owner to its task, and nobody else anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.router.task_ids import TaskIds, TaskPlace

TEXTS = st.text(max_size=20)


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_an_id_leads_back_to_its_task_for_its_owner_alone(
    server: str, tool: str, id: str, owner: str
) -> None:
    ids, place = TaskIds(b"key"), TaskPlace(server, tool, id)
    shown = ids.shown(place, owner)
    assert ids.read(shown, owner) == place
    assert ids.read(shown, owner + "x") is None


def test_ids_of_two_servers_differ_and_outlive_the_process_where_nobody_is_told_from_others() -> None:
    one, two = TaskPlace("a", "t", "1"), TaskPlace("b", "t", "1")
    assert TaskIds(b"k").shown(one, "") != TaskIds(b"k").shown(two, "")
    assert TaskIds(b"other").read(TaskIds(b"k").shown(one, ""), "") == one
    assert TaskIds(b"other").read(TaskIds(b"k").shown(one, "ada"), "ada") is None


@pytest.mark.parametrize(
    "made_up", ["", "1", "a:t:1", "a:t::1", "a:t:\u00e9:1", ":::", "a:t:" + "0" * 24 + ":1"]
)
def test_what_was_made_up_leads_nowhere(made_up: str) -> None:
    assert TaskIds(b"k").read(made_up, "") is None
