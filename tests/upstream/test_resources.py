"""From URIs to servers and back: reversible whatever the servers call things."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.upstream.inventory.offer import Item
from callmux.upstream.resources import DEEPEST, Place, ResourceIndex, ServerResources, qualified


def items(member: str, *keys: str) -> list[Item]:
    return [Item(key, json.dumps({member: key, "n": 1.5}).encode()) for key in keys]


def server(
    name: str,
    *uris: str,
    templates: tuple[str, ...] = (),
    allowed: list[str] | None = None,
    serves: bool = True,
    named: Sequence[str] = (),
) -> ServerResources:
    return ServerResources(
        server=name,
        resources=items("uri", *uris),
        templates=items("uriTemplate", *templates),
        allowed=allowed,
        serves=serves,
        named=named,
    )


def shown(index: ResourceIndex) -> list[str]:
    return [json.loads(raw)["uri"] for raw in index.resources]


def test_uris_that_differ_stay_as_they_are_byte_for_byte() -> None:
    one = server("a", "x:1")
    index = ResourceIndex([one, server("b", "x:2")])
    assert shown(index) == ["x:1", "x:2"]
    assert index.resources[0] == one.resources[0].raw


def test_uris_that_are_the_same_name_their_server() -> None:
    index = ResourceIndex([server("a", "x:1", "x:2"), server("b", "x:1")])
    assert shown(index) == ["callmux://a/x:1", "x:2", "callmux://b/x:1"]
    assert index.find("callmux://b/x:1") == [Place("b", "x:1")]
    assert index.shown("b", "x:1") == "callmux://b/x:1"
    assert index.shown("a", "x:2") == "x:2"


def test_pages_of_apps_keep_their_scheme() -> None:
    """The extension wants it. Servers need not list their pages: what their tools name counts."""
    a, b = (
        server("a b", "ui://w/x.html", named=["ui://w/y"]),
        server("b", named=["ui://w/x.html", "ui://w/y", "ui://w/z"]),
    )
    index = ResourceIndex([a, b])
    assert shown(index) == ["ui://callmux/a%20b/w/x.html"]
    for name in ("a b", "b"):
        for uri in ("ui://w/x.html", "ui://w/y"):
            assert index.find(index.shown(name, uri)) == [Place(name, uri)]
            assert index.shown(name, uri).startswith("ui://callmux/")
    assert index.shown("b", "ui://w/z") == "ui://w/z"
    assert index.find("ui://w/z") == [Place("b", "ui://w/z")]
    assert index.find("ui://callmux/b/w/z") == [Place("b", "ui://w/z")]
    assert index.renamed["b"] == {u: index.shown("b", u) for u in ("ui://w/x.html", "ui://w/y")}


def test_templates_of_pages_keep_their_scheme_too() -> None:
    index = ResourceIndex([server(name, templates=("ui://w/{id}",)) for name in ("a", "b")])
    assert [json.loads(raw)["uriTemplate"] for raw in index.templates] == [
        "ui://callmux/a/w/{id}",
        "ui://callmux/b/w/{id}",
    ]
    assert index.find("ui://callmux/b/w/5") == [Place("b", "ui://w/5")]
    assert index.find_template("ui://callmux/b/w/{id}") == Place("b", "ui://w/{id}")


def test_a_skill_is_renamed_whole() -> None:
    """Its files must stay within its directory, those that only one server has included."""
    a = server(
        "a", "skill://x/SKILL.md", "skill://x/own.md", "skill://z/SKILL.md", named=["skill://x/y/b.md"]
    )
    b = server("b", "skill://x/SKILL.md", templates=("skill://x/{path*}",))
    index = ResourceIndex([a, b])
    assert shown(index) == [
        "skill://callmux/a/x/SKILL.md",
        "skill://callmux/a/x/own.md",
        "skill://z/SKILL.md",
        "skill://callmux/b/x/SKILL.md",
    ]
    assert [json.loads(raw)["uriTemplate"] for raw in index.templates] == ["skill://callmux/b/x/{path*}"]
    for own in ("skill://x/y/b.md", "skill://x/not-listed.md", "skill://x", "skill://x/y"):
        known = index.shown("a", own)
        assert known == own.replace("skill://", "skill://callmux/a/")
        assert index.find(known) == [Place("a", own)]
    assert index.shown("a", "skill://z/not-listed.md") == "skill://z/not-listed.md"
    assert index.find("skill://z/not-listed.md")[0] == Place("a", "skill://z/not-listed.md")


@pytest.mark.parametrize("scheme", ["skill://", "github://", "file:///"])
def test_a_skill_in_the_directory_of_another_one_is_renamed_with_it(scheme: str) -> None:
    """The outer one has the same file, and its files stay together."""
    a = server("a", named=[f"{scheme}x/SKILL.md", f"{scheme}x/y/SKILL.md", f"{scheme}x/a.md"])
    b = server("b", named=[f"{scheme}x/y/SKILL.md", f"{scheme}other/SKILL.md"])
    index = ResourceIndex([a, b])
    for path in ("x/SKILL.md", "x/y/SKILL.md", "x/a.md"):
        assert index.shown("a", scheme + path) == qualified("a", scheme + path)
    assert index.shown("b", f"{scheme}other/SKILL.md") == f"{scheme}other/SKILL.md"
    inner = [place.server for place in index.find(f"{scheme}x/y/unknown.md")]
    assert inner == ["a", "b"]


def test_an_address_that_nobody_listed_names_its_server_where_it_could_lead_elsewhere() -> None:
    """A page may be made for one result only. Of other schemes, an address stays as it is."""
    a = server("a", templates=("ui://w/{id}",))
    b = server("b", "ui://w/main", templates=("ui://w/{id}", "db://{id}"))
    index = ResourceIndex([a, b, server("c")])
    assert index.moving == {"a", "b", "c"}
    for name in ("a", "b"):
        assert index.shown(name, "ui://w/7") == f"ui://callmux/{name}/w/7"
    assert index.find("ui://callmux/b/w/7") == [Place("b", "ui://w/7")]
    assert index.shown("b", "ui://w/main") == "ui://w/main"
    assert index.shown("c", "db://7") == "db://7"
    assert ResourceIndex([b]).moving == frozenset()


def test_a_uri_that_becomes_one_of_several_leads_where_it_led() -> None:
    """Clients may have it from before; the others are known by their new ones."""
    second = server("b", "ui://w")
    before = ResourceIndex([server("a"), second])
    after = ResourceIndex([server("a", "ui://w"), second], before)
    assert after.find("ui://w") == [Place("b", "ui://w")]
    assert ResourceIndex([server("a", "ui://w"), second]).find("ui://w") == [Place("a", "ui://w")]
    gone = ResourceIndex([server("a", "ui://w"), server("c", "ui://w")], after)
    assert gone.find("ui://w") == [Place("a", "ui://w")]


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_the_spelling_does_not_depend_on_who_came_up_first(order: tuple[str, str]) -> None:
    index = None
    for n in (1, 2):
        up = order[:n]
        index = ResourceIndex([server(s, *(["ui://w"] if s in up else [])) for s in ("a", "b")], index)
    assert index is not None
    assert shown(index) == ["ui://callmux/a/w", "ui://callmux/b/w"]


def test_a_server_that_lists_a_uri_twice_does_not_clash_with_itself() -> None:
    assert shown(ResourceIndex([server("a", "x:1", "x:1")])) == ["x:1", "x:1"]


def test_a_hidden_uri_does_not_clash() -> None:
    index = ResourceIndex([server("a", "x:1", allowed=["y:*"]), server("b", "x:1")])
    assert shown(index) == ["x:1"]
    assert index.find("x:1") == [Place("b", "x:1")]
    assert index.find("callmux://a/x:1") == []


def test_a_uri_of_a_template_is_looked_for_there_first() -> None:
    index = ResourceIndex([server("a"), server("b", templates=("db://{table}/rows{?from}",))])
    assert index.find("db://users/rows?from=1") == [
        Place("b", "db://users/rows?from=1"),
        Place("a", "db://users/rows?from=1"),
    ]


def test_servers_without_resources_are_never_asked() -> None:
    index = ResourceIndex([server("a", serves=False), server("b")])
    assert index.find("x:1") == [Place("b", "x:1")]
    assert ResourceIndex([server("a", serves=False)]).find("x:1") == []


@pytest.mark.parametrize(
    ("template", "uri", "fits"),
    [
        ("x://{a}", "x://1", True),
        ("x://{a}", "x://1/2", False),
        ("x://{+a}", "x://1/2", True),
        ("x://{a}{?b,c}", "x://1?b=2", True),
        ("x://{a}{#b}", "x://1#b", True),
        ("x://{a}/y", "x://1/z", False),
        ("x://(.*){a}", "x://(.*)1", True),
        ("x://(.*){a}", "x://abc1", False),
        ("x://{", "x://{", True),
        ("x:{a}", "x:line\nend", True),
    ],
)
def test_what_a_template_can_give(template: str, uri: str, fits: bool) -> None:
    index = ResourceIndex([server("a", templates=(template,), serves=False)])
    assert index.find(uri) == ([Place("a", uri)] if fits else [])


def test_templates_lead_back_as_uris_do() -> None:
    index = ResourceIndex([server("a", templates=("x:{n}", "a:{n}")), server("b", templates=("x:{n}",))])
    uris = [json.loads(raw)["uriTemplate"] for raw in index.templates]
    assert uris == ["callmux://a/x:{n}", "a:{n}", "callmux://b/x:{n}"]
    places = [index.find_template(uri) for uri in uris]
    assert places == [Place("a", "x:{n}"), Place("a", "a:{n}"), Place("b", "x:{n}")]


def test_a_hidden_template_is_not_found() -> None:
    index = ResourceIndex([server("a", templates=("x:{n}",), allowed=["y:*"])])
    assert index.templates == []
    assert index.find_template("x:{n}") is None
    assert index.find_template("callmux://a/x:{n}") is None


@pytest.mark.parametrize(
    "uri", ["callmux://", "callmux://a", "callmux://a/", "callmux:///x:1", "callmux://zz/x:1"]
)
def test_a_qualified_uri_without_a_server_or_a_uri_is_like_any_other(uri: str) -> None:
    assert ResourceIndex([server("a", "x:1", serves=False)]).find(uri) == []


@given(
    st.lists(st.text(min_size=1, max_size=6), min_size=2, max_size=3, unique=True),
    st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4, unique=True),
)
def test_every_shown_uri_leads_back(names: list[str], uris: list[str]) -> None:
    index = ResourceIndex([server(name, *uris, serves=False) for name in names])
    expected = [Place(name, uri) for name in names for uri in uris]
    assert [index.find(uri) for uri in shown(index)] == [[place] for place in expected]
    assert [index.shown(place.server, place.uri) for place in expected] == shown(index)


@given(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=20))
def test_a_qualified_uri_is_understood_whatever_it_holds(name: str, uri: str) -> None:
    index = ResourceIndex([server(name), server("other" + name)])
    assert index.find(qualified(name, uri)) == [Place(name, uri)]


def test_a_uri_of_several_servers_is_a_guess_only_while_nothing_says_where_it_led() -> None:
    both = [server("a", "ui://w/x", "x:1"), server("b", "ui://w/x", "x:1")]
    index = ResourceIndex(both)
    assert list(index.claims("ui://w/x")) == [Place("a", "ui://w/x"), Place("b", "ui://w/x")]
    assert index.is_guess("ui://w/x")
    assert not index.is_guess("x:1")
    later = ResourceIndex(both, before=ResourceIndex([server("b", "ui://w/x")]))
    assert later.find("ui://w/x") == [Place("b", "ui://w/x")]
    assert not later.is_guess("ui://w/x")
    alone = ResourceIndex([server("a", "ui://w/x")])
    assert (list(alone.claims("ui://w/x")), alone.is_guess("ui://w/x")) == ([], False)


def test_directories_are_looked_at_up_to_a_bound() -> None:
    """A URI of slashes alone costs no more than another."""
    index = ResourceIndex([server(name, "skill://x/SKILL.md", serves=False) for name in ("a", "b")])
    for levels, is_of_the_skill in ((DEEPEST - 1, True), (DEEPEST, False)):
        uri = "skill://x" + "/d" * levels
        assert (index.shown("a", uri) != uri) is is_of_the_skill
