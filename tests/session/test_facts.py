"""What is known of a client beside its messages."""

from __future__ import annotations

from msgspec import Raw

from callmux.session.facts import Facts, canonical


def test_nothing_is_known_at_first() -> None:
    facts = Facts()
    assert (facts.cwd, facts.cwd_source, facts.client_name, facts.client_kind) == (None, None, None, None)
    assert facts.headers == {}
    assert facts.roots_asked is False


def test_two_clients_do_not_share_headers() -> None:
    one, other = Facts(), Facts()
    one.headers["authorization"] = "secret"
    assert other.headers == {}


def test_the_same_capabilities_have_one_spelling_at_every_level() -> None:
    one = canonical({"roots": Raw(b'{"b": 1, "a": {"d":2,"c":3}}'), "elicitation": Raw(b"{}")})
    other = canonical({"elicitation": Raw(b"{ }"), "roots": Raw(b'{"a":{"c":3,"d":2},"b":1}')})
    assert one == other == b'{"elicitation":{},"roots":{"a":{"c":3,"d":2},"b":1}}'


def test_no_capabilities_are_an_empty_object() -> None:
    assert canonical({}) == b"{}"
