"""What is known of a client beside its messages."""

from __future__ import annotations

import pytest
from msgspec import Raw

from callmux.guard.principal import Principal
from callmux.session.facts import NOTHING, Facts, Said, canonical, kind_of


def test_nothing_is_known_at_first() -> None:
    facts = Facts()
    assert (facts.cwd, facts.cwd_source, facts.client_name, facts.client_kind) == (None, None, None, None)
    assert facts.roots_asked is False


def test_what_one_request_says_cannot_change_for_another() -> None:
    said = Said(headers={"authorization": "secret"})
    with pytest.raises(AttributeError):
        said.headers = {}  # type: ignore[misc]
    assert NOTHING.headers == {}


def test_the_same_capabilities_have_one_spelling_at_every_level() -> None:
    one = canonical({"roots": Raw(b'{"b": 1, "a": {"d":2,"c":3}}'), "elicitation": Raw(b"{}")})
    other = canonical({"elicitation": Raw(b"{ }"), "roots": Raw(b'{"a":{"c":3,"d":2},"b":1}')})
    assert one == other == b'{"elicitation":{},"roots":{"a":{"c":3,"d":2},"b":1}}'


def test_no_capabilities_are_an_empty_object() -> None:
    assert canonical({}) == b"{}"


@pytest.mark.parametrize(
    "value", [b"1e400", b"-1e999", b"9" * 5000, b"1.10", b'"\\u00e9"', b'[1e400,{"b":1,"a":[]}]']
)
def test_what_no_reader_can_hold_stays_as_it_came(value: bytes) -> None:
    shown = canonical({"x": Raw(b'{"a":' + value + b"}")})
    assert shown == b'{"x":{"a":' + value.replace(b'{"b":1,"a":[]}', b'{"a":[],"b":1}') + b"}}"


def test_capabilities_that_are_nested_too_deeply_are_refused() -> None:
    assert canonical({"x": Raw(b"[" * 127 + b"]" * 127)})
    for levels in (128, 20_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            canonical({"x": Raw(b"[" * levels + b"]" * levels)})


def test_the_kind_of_a_client_names_its_principal_but_not_the_user_of_this_machine() -> None:
    ann = Principal(kind="bearer", id="ann")
    assert kind_of(b"{}", None) == b"{}"
    assert kind_of(b"{}", Principal(kind="stdio", id="me")) == b"{}"
    assert kind_of(b"{}", ann) == b"{}\0bearer:ann"
