"""From names to tools and back (section 3), with the edge cases of section 12."""

from __future__ import annotations

import difflib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.errors import (
    CallmuxError,
    ServerDisabled,
    ToolNotFound,
    ToolRemoved,
    ToolResolutionFailed,
)
from callmux.names import DEFAULT_LIMIT
from callmux.protocol.shapes import Tool
from callmux.upstream.catalogue import Catalogue, RemovedTool, ServerTools
from tests.support import steps

GONE = RemovedTool(last_seen_at="2026-01-01T00:00:00.000Z", removed_at="2026-01-02T00:00:00.000Z")


def server(key: str, *tools: str, whitelist: set[str] | None = None, **more: Any) -> ServerTools:
    return ServerTools(
        server=key,
        tools=[Tool(json.dumps({"name": name}).encode()) for name in tools],
        whitelist=None if whitelist is None else frozenset(whitelist),
        **({"listed": True} | more),
    )


def emitted(catalogue: Catalogue) -> list[str]:
    return [entry.emitted for entry in catalogue.entries]


def found(catalogue: Catalogue, tool: str, hint: str | None = None) -> tuple[str, str]:
    where = catalogue.find(tool, hint)
    return where.server, where.bare


def refusal(catalogue: Catalogue, tool: str, hint: str | None = None) -> CallmuxError:
    with pytest.raises(CallmuxError) as caught:
        catalogue.find(tool, hint)
    return caught.value


class TestEmittedNames:
    def test_one_server_keeps_its_names(self) -> None:
        catalogue = Catalogue([server("a", "z", "get_item", prefix="zz")])
        assert emitted(catalogue) == ["z", "get_item"]

    def test_several_servers_are_prefixed_in_their_order(self) -> None:
        catalogue = Catalogue([server("lin", "b", "a"), server("gh", "c")])
        assert emitted(catalogue) == ["lin__b", "lin__a", "gh__c"]

    def test_disabled_and_failed_servers_count_as_configured(self) -> None:
        off = server("off", "x", disabled=True)
        assert emitted(Catalogue([server("a", "x"), off])) == ["a__x"]
        assert emitted(Catalogue([server("a", "x"), server("down", listed=False)])) == ["a__x"]

    def test_a_prefix_replaces_the_key(self) -> None:
        catalogue = Catalogue(
            [server("github", "x", prefix="gh"), server("lin", "y"), server("t", "z", prefix="")]
        )
        assert emitted(catalogue) == ["gh__x", "lin__y", "z"]

    def test_contenders_for_a_name_fall_back_to_their_qualified_names(self) -> None:
        catalogue = Catalogue(
            [server("one", "status", "a", prefix=""), server("two", "status", "b", prefix="")]
        )
        assert emitted(catalogue) == ["one__status", "a", "two__status", "b"]
        assert len(catalogue.warnings) == 2

    def test_one_that_asks_for_its_qualified_name_keeps_it(self) -> None:
        catalogue = Catalogue([server("a", "b__x", prefix=""), server("b", "x")])
        assert emitted(catalogue) == ["a__b__x", "b__x"]

    def test_a_name_that_is_still_taken_is_listed_under_another(self) -> None:
        """W31: it used to vanish from the list."""
        servers = [server("a", "b__echo"), server("a__b", "echo")]
        catalogue = Catalogue(servers)
        first, second = emitted(catalogue)
        assert first == "a__b__echo"
        assert second != first
        assert catalogue.warnings
        assert found(catalogue, second) == ("a__b", "echo")
        assert emitted(Catalogue(servers)) == [first, second]

    def test_meta_tools_keep_their_names(self) -> None:
        """W31: the name was listed twice."""
        catalogue = Catalogue([server("a", "callmux_status")], reserved=frozenset({"callmux_status"}))
        assert emitted(catalogue) == ["a__callmux_status"]
        assert found(catalogue, "callmux_status") == ("a", "callmux_status")

    def test_a_server_that_lists_a_tool_twice_has_it_once(self) -> None:
        catalogue = Catalogue([server("a", "x", "y", "x"), server("b", "x")])
        assert emitted(catalogue) == ["a__x", "a__y", "b__x"]
        assert "twice" in catalogue.warnings[0]

    def test_only_the_whitelist_is_exposed(self) -> None:
        catalogue = Catalogue([server("a", "x", "y", whitelist={"y", "absent"})])
        assert emitted(catalogue) == ["y"]

    def test_always_loaded_tools_are_marked(self) -> None:
        catalogue = Catalogue([server("a", "x", "y", always_load=frozenset({"y", "absent"}))])
        assert [(e.tool.name, e.always_load) for e in catalogue.entries] == [("x", False), ("y", True)]

    def test_long_and_odd_names_become_presentable_and_lead_back(self) -> None:
        long = "x" * 60
        catalogue = Catalogue([server("a", long, "files/read"), server("b", "y")])
        for name, bare in zip(emitted(catalogue), (long, "files/read"), strict=False):
            assert len(name) <= DEFAULT_LIMIT
            assert found(catalogue, name) == ("a", bare)
            assert found(catalogue, name, "a") == ("a", bare)
            assert found(catalogue, f"a__{bare}") == ("a", bare)
            assert found(catalogue, bare) == ("a", bare)

    def test_the_limit_can_be_lifted(self) -> None:
        assert emitted(Catalogue([server("a", "x" * 200)], name_limit=0)) == ["x" * 200]


class TestWithoutHint:
    CATALOGUE = Catalogue(
        [
            server("github", "get", "only", prefix="gh"),
            server("lin", "get", "list__all"),
            server("t", "z", prefix=""),
        ]
    )

    @pytest.mark.parametrize(
        ("name", "where"),
        [
            ("gh__get", ("github", "get")),
            ("github__get", ("github", "get")),
            ("lin__get", ("lin", "get")),
            ("lin__list__all", ("lin", "list__all")),
            ("list__all", ("lin", "list__all")),
            ("only", ("github", "only")),
            ("z", ("t", "z")),
            ("t__z", ("t", "z")),
        ],
    )
    def test_every_form_leads_to_the_tool(self, name: str, where: tuple[str, str]) -> None:
        assert found(self.CATALOGUE, name) == where

    def test_one_server_answers_to_its_prefixes_too(self) -> None:
        catalogue = Catalogue([server("fake", "echo", prefix="zz")])
        assert {found(catalogue, n) for n in ("echo", "fake__echo", "zz__echo")} == {("fake", "echo")}

    def test_an_ambiguous_name_is_refused_without_details(self) -> None:
        error = refusal(self.CATALOGUE, "get")
        assert isinstance(error, ToolResolutionFailed)
        assert "ambiguous" in error.message
        assert "gh__get" in error.message
        assert not error.details

    def test_a_dropped_prefix_owns_the_bare_name(self) -> None:
        catalogue = Catalogue([server("aa", "x", prefix=""), server("bb", "x")])
        assert emitted(catalogue) == ["x", "bb__x"]
        assert found(catalogue, "x") == ("aa", "x")

    def test_the_longest_prefix_wins(self) -> None:
        catalogue = Catalogue([server("a", "y"), server("a__b", "x")])
        assert found(catalogue, "a__b__x") == ("a__b", "x")
        assert isinstance(refusal(catalogue, "a__b__y"), ToolResolutionFailed)

    def test_a_known_prefix_without_the_tool_says_so(self) -> None:
        error = refusal(self.CATALOGUE, "lin__nope")
        assert isinstance(error, ToolResolutionFailed)
        assert 'is not exposed on server "lin"' in error.message
        assert not error.details

    def test_a_servers_key_beats_anothers_alias(self) -> None:
        """W31."""
        catalogue = Catalogue([server("a", "x", prefix="b"), server("b", "y")])
        assert found(catalogue, "b__y") == ("b", "y")
        assert found(catalogue, "b__x") == ("a", "x")

    def test_nothing_of_that_name(self) -> None:
        error = refusal(self.CATALOGUE, "nope")
        assert isinstance(error, ToolNotFound)
        assert error.details == {"tool": "nope"}

    def test_a_near_name_is_suggested(self) -> None:
        """W27."""
        assert "did you mean gh__only" in refusal(self.CATALOGUE, "onyl").message
        assert "did you mean lin__get" in refusal(self.CATALOGUE, "lin__gett").message
        assert "did you mean" not in refusal(self.CATALOGUE, "zebra_crossing").message

    def test_tools_for_pages_alone_are_found_and_not_offered(self) -> None:
        """Neither as a near name nor as one of several."""
        for_pages = Tool(b'{"name":"submit","_meta":{"ui":{"visibility":["app"]}}}')
        catalogue = Catalogue(
            [
                ServerTools(server="a", tools=[for_pages, Tool(b'{"name":"show"}')], listed=True),
                ServerTools(server="b", tools=[Tool(b'{"name":"submit"}')], listed=True),
            ]
        )
        assert catalogue.find("a__submit").tool is for_pages
        assert [entry.emitted for entry in catalogue.offered()] == ["a__show", "b__submit"]
        assert [entry.emitted for entry in catalogue.offered("a")] == ["a__show"]
        assert [entry.emitted for entry in catalogue.of_server("a")] == ["a__submit", "a__show"]
        assert catalogue.suggest("submi") == ["b__submit"]
        assert catalogue.suggest("submi", "a") == []
        with pytest.raises(ToolResolutionFailed, match=r"use one of b__submit$"):
            catalogue.find("submit")

    def test_hidden_tools_are_not_found(self) -> None:
        catalogue = Catalogue([server("a", "x", "y", whitelist={"y"}), server("b", "w")])
        assert isinstance(refusal(catalogue, "x"), ToolNotFound)
        assert isinstance(refusal(catalogue, "a__x"), ToolResolutionFailed)


class TestWithHint:
    CATALOGUE = Catalogue(
        [server("github", "get", "gh__odd", prefix="gh"), server("lin", "get"), server("t", "z", prefix="")],
        identity={"namespace": "n", "instanceId": "0123456789ab"},
    )

    @pytest.mark.parametrize("name", ["get", "gh__get", "github__get"])
    def test_every_form_reaches_the_same_tool(self, name: str) -> None:
        assert found(self.CATALOGUE, name, "github") == ("github", "get")

    def test_a_dropped_prefix_works_too(self) -> None:
        assert found(self.CATALOGUE, "z", "t") == ("t", "z")

    def test_a_tool_that_looks_prefixed_is_found(self) -> None:
        assert found(self.CATALOGUE, "gh__odd", "github") == ("github", "gh__odd")

    def test_an_unknown_server_is_told_what_there_is(self) -> None:
        error = refusal(self.CATALOGUE, "get", "nope")
        assert isinstance(error, ToolResolutionFailed)
        assert "not found in this callmux instance" in error.message
        assert error.details == {
            "server": "nope",
            "availableServers": ["github", "lin", "t"],
            "namespace": "n",
            "instanceId": "0123456789ab",
        }

    def test_an_alias_is_no_hint(self) -> None:
        assert isinstance(refusal(self.CATALOGUE, "get", "gh"), ToolResolutionFailed)

    def test_all_configured_servers_are_told(self) -> None:
        catalogue = Catalogue([server("off", disabled=True), server("down", listed=False)])
        assert refusal(catalogue, "x", "zz").details["availableServers"] == ["down", "off"]

    def test_a_filtered_tool_is_refused(self) -> None:
        catalogue = Catalogue([server("a", "x", "y", whitelist={"y"})])
        for name in ("x", "a__x"):
            error = refusal(catalogue, name, "a")
            assert isinstance(error, ToolResolutionFailed)
            assert "is not exposed on server" in error.message
            assert not error.details

    def test_a_server_that_never_listed_gets_the_call(self) -> None:
        catalogue = Catalogue([server("up", "x"), server("down", listed=False)])
        where = catalogue.find("down__anything")
        assert (where.server, where.bare, where.tool) == ("down", "anything", None)
        assert found(catalogue, "anything", "down") == ("down", "anything")

    def test_a_denied_tool_names_the_key_that_denies_it(self) -> None:
        denied = frozenset({"y"})
        catalogue = Catalogue(
            [server("a", "x", "y", whitelist={"y", "x"}, denied=denied, prefix="p"), server("b", "z")]
        )
        assert emitted(catalogue) == ["p__x", "b__z"]
        for name, hint in [("y", None), ("y", "a"), ("a__y", None), ("p__y", None), ("p__y", "a")]:
            error = refusal(catalogue, name, hint)
            assert isinstance(error, ToolResolutionFailed)
            assert "denyTools" in error.message
            assert error.details == {"server": "a", "tool": "y"}
        assert "y" not in str(catalogue.suggest("yy"))

    def test_denied_on_one_server_the_name_means_the_other(self) -> None:
        catalogue = Catalogue([server("a", "x", denied=frozenset({"x"})), server("b", "x")])
        assert found(catalogue, "x") == ("b", "x")

    def test_unless_its_filter_forbids_it(self) -> None:
        catalogue = Catalogue([server("down", listed=False, whitelist={"y"}), server("b")])
        assert found(catalogue, "y", "down") == ("down", "y")
        assert isinstance(refusal(catalogue, "x", "down"), ToolResolutionFailed)

    @pytest.mark.parametrize(("name", "hint"), [("x", "off"), ("off__x", None)])
    def test_a_disabled_server_is_refused_plainly(self, name: str, hint: str | None) -> None:
        """W4: it was started."""
        catalogue = Catalogue([server("a", "y"), server("off", "x", disabled=True)])
        error = refusal(catalogue, name, hint)
        assert isinstance(error, ServerDisabled)
        assert error.details == {"server": "off", "tool": "x"}

    def test_tools_of_a_disabled_server_are_not_found_by_name(self) -> None:
        catalogue = Catalogue([server("a", "y"), server("off", "x", disabled=True)])
        assert isinstance(refusal(catalogue, "x"), ToolNotFound)


class TestRemovedTools:
    CATALOGUE = Catalogue([server("a", "new", "kept", removed={"old": GONE}), server("b", "w")])

    @pytest.mark.parametrize(
        ("name", "hint"), [("old", "a"), ("a__old", None), ("old", None), ("a__old", "a")]
    )
    def test_every_form_tells_what_happened(self, name: str, hint: str | None) -> None:
        error = refusal(self.CATALOGUE, name, hint)
        assert isinstance(error, ToolRemoved)
        assert error.details == {
            "server": "a",
            "tool": "old",
            "lastSeenAt": "2026-01-01T00:00:00.000Z",
            "removedAt": "2026-01-02T00:00:00.000Z",
            "currentTools": ["kept", "new"],
        }

    def test_two_that_had_it_are_not_told_apart(self) -> None:
        catalogue = Catalogue([server("a", removed={"old": GONE}), server("b", removed={"old": GONE})])
        assert isinstance(refusal(catalogue, "old"), ToolNotFound)

    def test_another_servers_tool_of_that_name_is_found(self) -> None:
        catalogue = Catalogue([server("a", removed={"old": GONE}), server("b", "old")])
        assert found(catalogue, "old") == ("b", "old")

    def test_one_that_is_back_is_found(self) -> None:
        catalogue = Catalogue([server("a", "old", removed={"old": GONE})])
        assert found(catalogue, "old") == ("a", "old")


def test_a_wrong_name_that_comes_a_thousand_times_is_compared_once() -> None:
    """A batch with a typo must not stop the loop for minutes."""
    catalogue = Catalogue([server("a", *(f"tool_number_{n}" for n in range(3_000))), server("b")])
    first, again = (steps(lambda: refusal(catalogue, "tool_numbre_17")) for _ in range(2))
    assert again * 100 < first


def test_remembered_suggestions_are_bounded() -> None:
    catalogue = Catalogue([server("a", "x")])
    for n in range(2_500):
        catalogue.suggest(f"wrong {n}")
    assert len(catalogue._near) <= 1_000


def test_a_wrong_name_is_compared_with_a_bounded_number_of_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a server lists; and the right one is still found."""
    compared: list[int] = []
    match = difflib.get_close_matches

    def counted(word: str, known: Any, **more: Any) -> list[str]:
        compared.append(len(known))
        return match(word, known, **more)

    monkeypatch.setattr(difflib, "get_close_matches", counted)
    for count in (100, 20_000):
        names = [f"tool_{n}_get_item" for n in range(count)] + ["send_message"]
        catalogue = Catalogue([server("a", *names), server("b", "x")])
        assert "a__send_message" in catalogue.suggest("send_mesage")
        assert "a__tool_77_get_item" in catalogue.suggest("tool_77_get_itme")
        catalogue.suggest("")
        catalogue.suggest("x" * 1_000_000)
    assert max(compared) <= 1_000
    assert all(len(tool) <= 100 for tool, _ in catalogue._near)


def test_of_server_keeps_the_servers_order() -> None:
    catalogue = Catalogue([server("a", "z", "y"), server("b")])
    assert [e.tool.name for e in catalogue.of_server("a")] == ["z", "y"]
    assert catalogue.of_server("b") == []
    assert catalogue.of_server("zz") == []


KEYS = st.text(alphabet="ab_", min_size=1, max_size=5)


TOOLS = st.lists(st.text(alphabet="ab_./", min_size=1, max_size=6), max_size=4)
SERVERS = st.tuples(KEYS, TOOLS, st.none() | KEYS | st.just(""))


@given(st.lists(SERVERS, max_size=4, unique_by=lambda s: s[0]))
def test_every_listed_name_is_unique_and_leads_back(servers: list[tuple[str, list[str], str | None]]) -> None:
    catalogue = Catalogue([server(key, *tools, prefix=prefix) for key, tools, prefix in servers])
    names = emitted(catalogue)
    assert len(names) == len(set(names))
    assert len(names) == sum(len(set(tools)) for _, tools, _ in servers)
    for entry in catalogue.entries:
        assert found(catalogue, entry.emitted) == (entry.server, entry.tool.name)


class TestNarrowed:
    def test_of_a_server_some_see_other_tools_under_the_same_names(self) -> None:
        catalogue = Catalogue([server("a", "x", "y", "z"), server("b", "x")])
        other = Tool(b'{"name":"z","description":"as they see it"}')
        part = catalogue.narrowed({"a": [other, Tool(b'{"name":"x"}'), Tool(b'{"name":"not exposed"}')]})
        assert emitted(part) == ["a__z", "a__x", "b__x"]
        assert part.entries[0].tool is other
        assert [entry.emitted for entry in part.of_server("a")] == ["a__z", "a__x"]
        assert found(part, "z") == ("a", "z")
        assert refusal(part, "a__y").code == "tool_resolution_failed"
        assert emitted(catalogue) == ["a__x", "a__y", "a__z", "b__x"]
        assert found(catalogue, "y") == ("a", "y")


def test_a_part_of_a_catalogue_has_the_names_of_the_whole_and_nothing_of_the_rest() -> None:
    whole = Catalogue([server("a", "x", "y", prefix="p"), server("b", "x", beside={"k": b"1"})])
    part = whole.limited(lambda entry: entry.tool.name == "x", {"a"})
    assert emitted(part) == ["p__x"]
    assert list(part.servers) == ["a"]
    assert found(part, "p__x") == found(part, "x") == ("a", "x")
    assert "is not exposed" in refusal(part, "p__y").message
    assert isinstance(refusal(part, "b__x"), ToolNotFound)
    assert emitted(whole) == ["p__x", "p__y", "b__x"]


def test_a_part_without_servers_has_nothing_beside_its_list() -> None:
    whole = Catalogue([server("a", "x", beside={"k": b"1"})])
    assert whole.limited(lambda entry: True, {"a"}).beside == {"k": b"1"}
    nothing = whole.limited(lambda entry: True, ())
    assert (nothing.beside, nothing.entries, nothing.servers) == ({}, [], {})


def test_the_owners_of_a_name_are_told_where_it_alone_means_none_of_them() -> None:
    catalogue = Catalogue([server("a", "x", "y"), server("b", "x"), server("c", "x", disabled=True)])
    assert catalogue.owners("x") == ["a", "b"]
    assert catalogue.owners("y") == catalogue.owners("a__x") == catalogue.owners("z") == []
    plain = Catalogue([server("a", "x", prefix=""), server("b", "x")])
    assert plain.owners("x") == []
