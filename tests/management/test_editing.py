"""Bodies of requests, and the entries they lead to."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.errors import InvalidArguments
from callmux.management.editing import CHANGING, added, changed, flag, new_name, read_object, text

LISTED = {"command": "a", "tools": ["t", "u"]}
OPEN = {"command": "a"}


def test_a_body_is_one_object_of_known_members() -> None:
    assert read_object(b" ", CHANGING) == {}
    assert read_object(b'{"disabled": true}', CHANGING) == {"disabled": True}
    for body in (b"nope", b"[]", b"\xff", b"{" * 200_000):
        with pytest.raises(InvalidArguments, match="one JSON object"):
            read_object(body, CHANGING)
    with pytest.raises(InvalidArguments, match='"disable" is not known'):
        read_object(b'{"disable": true}', CHANGING)


def test_members_are_what_they_must_be() -> None:
    assert (flag({}, "x"), flag({"x": True}, "x")) == (False, True)
    assert (text({}, "x"), text({"x": "y"}, "x")) == (None, "y")
    with pytest.raises(InvalidArguments):
        flag({"x": 1}, "x")
    for value in (1, " "):
        with pytest.raises(InvalidArguments):
            text({"x": value}, "x")
    assert new_name({"name": "b"}, ()) == "b"
    # What the file calls a server is its name.
    assert new_name({"name": "odd__name"}, ("odd__name",)) == "odd__name"
    for name in ("odd__name", "a b", "-a", "x" * 65):
        with pytest.raises(InvalidArguments, match="name must be"):
            new_name({"name": name}, ())
    with pytest.raises(InvalidArguments, match="name is required"):
        new_name({}, ())
    with pytest.raises(InvalidArguments, match="config is required"):
        added({}, None)


@pytest.mark.parametrize(
    ("before", "body", "after"),
    [
        (LISTED, {}, LISTED),
        (LISTED, {"tools": []}, {"command": "a"}),
        (LISTED, {"tools": ["v"]}, {"command": "a", "tools": ["v"]}),
        (LISTED, {"addTools": ["v", "t"]}, {"command": "a", "tools": ["t", "u", "v"]}),
        (LISTED, {"removeTools": ["t"]}, {"command": "a", "tools": ["u"]}),
        # The last tool of a list is taken away: nothing is open then, not everything.
        (LISTED, {"removeTools": ["t", "u"]}, {"command": "a", "tools": []}),
        (OPEN, {"addTools": ["t"]}, {"command": "a", "tools": ["t"]}),
        (OPEN, {"removeTools": ["t"]}, {"command": "a", "denyTools": ["t"]}),
        ({**OPEN, "denyTools": ["t", "u"]}, {"addTools": ["t"]}, {"command": "a", "denyTools": ["u"]}),
        ({**OPEN, "denyTools": ["t"]}, {"addTools": ["t"]}, {"command": "a"}),
        (
            {**LISTED, "denyTools": ["t"]},
            {"addTools": ["t"], "removeTools": ["u"]},
            {"command": "a", "tools": ["t"]},
        ),
        (OPEN, {"disabled": True}, {"command": "a", "disabled": True}),
        ({**OPEN, "disabled": True}, {"disabled": False}, {"command": "a"}),
        (LISTED, {"config": {"url": "http://x"}}, {"url": "http://x"}),
    ],
)
def test_a_change_leads_to_an_entry(before: Any, body: Any, after: Any) -> None:
    assert changed(body, dict(before)) == after


def test_what_cannot_be_is_refused() -> None:
    for body in ({"tools": "t"}, {"addTools": [1]}, {"removeTools": [""]}, {"disabled": "no"}):
        with pytest.raises(InvalidArguments):
            changed(body, dict(OPEN))
    with pytest.raises(InvalidArguments, match="replaces the whole entry"):
        changed({"config": {}, "tools": []}, dict(OPEN))
