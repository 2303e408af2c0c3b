"""Requests of extensions: to the server they belong to, with names that lead back there."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

import pytest
from msgspec import Raw

from callmux.protocol.extensions import METHODS, SKILLS, Method, Naming
from callmux.protocol.jsonrpc import INVALID_PARAMS, METHOD_NOT_FOUND, RpcError
from callmux.router.door import Door
from callmux.router.extensions import Extensions, IdBook, UriBook
from callmux.upstream.resources import Place, ResourceIndex, ServerResources
from tests.support import context, play

from .test_offers import FakeDoor, refusal

LIST, GET, DIRECTORY = METHODS["skills/list"], METHODS["skills/get"], METHODS["resources/directory/read"]


def skill(name: str, *files: str) -> dict[str, Any]:
    """A skill as its server lists it."""
    uris = [f"skill://{name}/{file}" for file in ("SKILL.md", *files)]
    return {
        "uri": uris[0],
        "frontmatter": {"name": name, "description": uris[0]},
        "resources": [{"uri": uri, "digest": f"sha256:{n}"} for n, uri in enumerate(uris)],
    }


class Desk:
    """Extensions of the servers `a` and `b`, or others, all of which declare skills."""

    def __init__(self, *servers: str, allowed: list[str] | None = None) -> None:
        self.door, self.names = FakeDoor(), list(servers or ("a", "b"))
        self.named: dict[str, list[str]] = {name: [] for name in self.names}
        self.allowed = allowed
        self.door.declared["extensions", SKILLS] = list(self.names)
        self.door.declared["extensions", SKILLS, "directoryRead"] = list(self.names)
        self.extensions = Extensions(cast(Door, self.door), UriBook(self.index, self.learn), list(self.names))

    def learn(self, server: str, uris: Sequence[str]) -> None:
        self.named[server].extend(uris)

    def index(self) -> ResourceIndex:
        return ResourceIndex(
            [
                ServerResources(server=name, named=named, serves=True, allowed=self.allowed)
                for name, named in self.named.items()
            ]
        )

    def asks(self, method: Method, params: Any = None) -> Any:
        raw = None if params is None else Raw(json.dumps(params).encode())
        return json.loads(play(self.extensions.answer(method, raw, context())))

    def refused(self, method: Method, params: Any = None) -> RpcError:
        with pytest.raises(RpcError) as caught:
            self.asks(method, params)
        return caught.value


class TestLists:
    def test_the_skills_of_all_servers_are_joined(self) -> None:
        desk = Desk()
        desk.door.answers["a", "skills/list"] = {"skills": [skill("x", "r.md")], "_meta": {"n": 1}}
        desk.door.answers["b", "skills/list"] = {"skills": [skill("y"), None]}
        assert desk.asks(LIST) == {"skills": [skill("x", "r.md"), skill("y")]}
        assert [sent[:2] for sent in desk.door.sent] == [("a", "skills/list"), ("b", "skills/list")]

    def test_the_same_skill_of_two_servers_is_two_skills(self) -> None:
        desk = Desk()
        desk.door.answers["a", "skills/list"] = {"skills": [skill("x", "r.md"), skill("own")]}
        desk.door.answers["b", "skills/list"] = {"skills": [skill("x")]}
        first, own, second = desk.asks(LIST)["skills"]
        assert first["uri"] == "skill://callmux/a/x/SKILL.md"
        assert [f["uri"] for f in first["resources"]] == [first["uri"], "skill://callmux/a/x/r.md"]
        assert second["uri"] == "skill://callmux/b/x/SKILL.md"
        assert own == skill("own")
        assert first["frontmatter"] == second["frontmatter"] == skill("x")["frontmatter"]
        for entry, server in ((first, "a"), (second, "b")):
            desk.door.answers[server, "skills/get"] = {"skill": skill("x")}
            got = desk.asks(GET, {"uri": entry["uri"]})["skill"]
            assert desk.door.sent[-1] == (
                server,
                "skills/get",
                "skill://x/SKILL.md",
                {"uri": "skill://x/SKILL.md"},
            )
            assert got["uri"] == entry["uri"]

    def test_all_pages_of_a_server_are_asked_for(self) -> None:
        desk = Desk()
        pages = {None: ("x", "2"), "2": ("y", "3"), "3": ("z", "3")}

        def page(params: Any) -> Any:
            name, after = pages[(params or {}).get("cursor")]
            return {"skills": [skill(name)], "nextCursor": after}

        desk.door.answers["a", "skills/list"] = page
        desk.door.answers["b", "skills/list"] = {"skills": None}
        assert desk.asks(LIST, {"_meta": {"t": 1}}) == {"skills": [skill("x"), skill("y"), skill("z")]}
        assert desk.door.sent[0][3] == {"_meta": {"t": 1}}
        assert desk.refused(LIST, {"cursor": "2"}).code == INVALID_PARAMS

    @pytest.mark.parametrize("answer", [refusal(-32603, "not today"), {"skills": 7}])
    def test_a_server_that_fails_costs_only_its_own(self, answer: Any) -> None:
        desk = Desk()
        desk.door.answers["a", "skills/list"] = answer
        desk.door.answers["b", "skills/list"] = {"skills": [skill("y")]}
        assert desk.asks(LIST) == {"skills": [skill("y")]}
        desk.door.answers["b", "skills/list"] = answer
        assert desk.refused(LIST).code == -32603

    def test_a_page_that_fails_costs_only_the_rest(self) -> None:
        desk = Desk()

        def page(params: Any) -> Any:
            return refusal(-1) if params else {"skills": [skill("x")], "nextCursor": "2"}

        desk.door.answers["a", "skills/list"] = page
        desk.door.answers["b", "skills/list"] = {"skills": []}
        assert desk.asks(LIST) == {"skills": [skill("x")]}

    def test_what_the_configuration_hides_is_in_no_list(self) -> None:
        for servers in ((), ("a",)):
            desk = Desk(*servers, allowed=["skill://y/*"])
            desk.door.answers["a", "skills/list"] = {"skills": [skill("x"), skill("y")], "n": 1}
            assert desk.asks(LIST)["skills"] == [skill("y")]
            assert desk.refused(GET, {"uri": "skill://x/SKILL.md"}).code == INVALID_PARAMS

    def test_of_several_servers_nobody_need_have_any(self) -> None:
        desk = Desk()
        desk.door.declared.clear()
        assert desk.asks(LIST) == {"skills": []}
        assert desk.refused(GET, {"uri": "skill://x/SKILL.md"}).code == INVALID_PARAMS
        assert desk.door.sent == []


class TestTheOnlyServer:
    def test_its_answers_are_the_bytes_that_came(self) -> None:
        desk = Desk("a")
        raw = b'{"skills": [ {"uri":"skill://x/SKILL.md"}], "nextCursor" : "2"}'
        desk.door.answers["a", "skills/list"] = raw
        given = Raw(b'{"cursor":"1","z":1.50}')
        assert play(desk.extensions.answer(LIST, given, context())) == raw
        assert desk.door.sent == [("a", "skills/list", "skills/list", {"cursor": "1", "z": 1.5})]

    def test_what_it_does_not_declare_it_may_know_all_the_same(self) -> None:
        desk = Desk("a")
        desk.door.declared.clear()
        desk.door.answers["a", "skills/list"] = {"skills": [skill("x")]}
        assert desk.asks(LIST) == {"skills": [skill("x")]}

    def test_what_it_neither_declares_nor_knows_is_empty(self) -> None:
        """callmux may have declared it before the server was there."""
        desk = Desk("a")
        for method in ("skills/list", "skills/get"):
            desk.door.answers["a", method] = refusal(METHOD_NOT_FOUND)
        assert desk.refused(LIST).code == METHOD_NOT_FOUND
        desk.door.declared.clear()
        assert desk.asks(LIST) == {"skills": []}
        assert desk.refused(GET, {"uri": "skill://x/SKILL.md"}).code == INVALID_PARAMS
        desk.door.answers["a", "skills/list"] = refusal(-32603)
        assert desk.refused(LIST).code == -32603


class TestNames:
    def test_a_directory_is_read_from_its_server(self) -> None:
        desk = Desk()
        desk.learn("b", ["skill://x/SKILL.md"])
        desk.door.answers["b", "resources/directory/read"] = {
            "resources": [{"uri": "skill://x/t", "mimeType": "inode/directory"}],
            "nextCursor": "2",
        }
        answer = desk.asks(DIRECTORY, {"uri": "skill://x", "cursor": "1"})
        assert answer["resources"][0]["uri"] == "skill://x/t"
        assert answer["nextCursor"] == "2"
        params = {"uri": "skill://x", "cursor": "1"}
        assert desk.door.sent == [("b", "resources/directory/read", "skill://x", params)]

    def test_only_a_server_that_declares_it_is_asked(self) -> None:
        desk = Desk()
        desk.door.declared["extensions", SKILLS, "directoryRead"] = ["b"]
        desk.asks(DIRECTORY, {"uri": "odd://x"})
        assert [sent[0] for sent in desk.door.sent] == ["b"]
        assert desk.refused(DIRECTORY, {"uri": "skill://callmux/a/x"}).code == INVALID_PARAMS

    def test_an_address_that_nobody_listed_is_tried_where_it_may_be_known(self) -> None:
        desk = Desk()
        desk.door.answers["a", "skills/get"] = refusal(INVALID_PARAMS)
        desk.door.answers["b", "skills/get"] = {"skill": skill("x")}
        assert desk.asks(GET, {"uri": "skill://x/SKILL.md"}) == {"skill": skill("x")}
        desk.door.answers["b", "skills/get"] = refusal(INVALID_PARAMS, "no such skill")
        assert desk.refused(GET, {"uri": "skill://new/SKILL.md"}).message == "no such skill"

    def test_any_other_failure_ends_the_search(self) -> None:
        desk = Desk()
        desk.door.answers["a", "skills/get"] = refusal(-32000, "broken")
        assert desk.refused(GET, {"uri": "skill://new/SKILL.md"}).message == "broken"
        assert [sent[0] for sent in desk.door.sent] == ["a"]

    @pytest.mark.parametrize("params", [None, {}, {"uri": 7}, {"uri": None}])
    def test_what_names_nothing_is_refused(self, params: Any) -> None:
        assert "uri is required" in Desk().refused(GET, params).message


class TestIds:
    def test_of_several_servers_an_id_says_whose_it_is(self) -> None:
        ids = IdBook(["a", "b c"])
        for server in ("a", "b c"):
            for own in ("t", "a:t", "b%20c:t", ":"):
                shown = ids.shown(server, own)
                assert ids.places(shown, ["a", "b c"]) == [Place(server, own)]
                assert ids.allows(server, own)
        ids.learn("a", ["t"])
        assert ids.places("t", ["a", "b c"]) == []
        assert ids.places("zz:t", ["a", "b c"]) == []
        assert ids.places("a:", ["a", "b c"]) == []
        assert ids.places("a:t", ["b c"]) == []

    def test_that_of_the_only_server_stays(self) -> None:
        ids = IdBook(["a"])
        assert ids.shown("a", "b:t") == "b:t"
        assert ids.places("b:t", ["a"]) == [Place("a", "b:t")]

    def test_a_request_by_id_goes_to_the_server_of_the_id(self) -> None:
        desk = Desk()
        method = Method(
            name="skills/get", target="id", naming=Naming.ID, names=(("id",), ("parts", "id")), reads=False
        )
        desk.door.answers["b", "skills/get"] = b'{"id":"t","x":1.50,"parts":[{"id":"u"}]}'
        raw = Raw(b'{"id":"b:t","y":2.50}')
        answer = play(desk.extensions.answer(method, raw, context()))
        assert answer == b'{"id":"b:t","x":1.50,"parts":[{"id":"b:u"}]}'
        assert desk.door.sent == [("b", "skills/get", "t", {"id": "t", "y": 2.5})]
        assert desk.door.safe == [False]
        assert desk.refused(method, {"id": "t"}).code == INVALID_PARAMS


class TestEvents:
    """Events have names that several servers may use; cursors are those of the server that is named."""

    def desk(self, *servers: str) -> Desk:
        desk = Desk(*servers)
        desk.door.declared["events",] = list(desk.names)
        return desk

    def test_they_are_listed_under_names_that_lead_to_their_servers(self) -> None:
        desk = self.desk()
        for name in ("a", "b"):
            event = {"name": "mail", "delivery": ["poll", "push"], "inputSchema": {"of": name}}
            desk.door.answers[name, "events/list"] = {"events": [event, {"name": "x", "delivery": ["push"]}]}
        listed = desk.asks(METHODS["events/list"])["events"]
        assert [(event["name"], event["delivery"]) for event in listed] == [
            ("a:mail", ["poll"]),
            ("b:mail", ["poll"]),
        ]
        desk.door.answers["b", "events/poll"] = {"events": [{"eventId": "1", "name": "mail"}], "cursor": "c2"}
        found = desk.asks(METHODS["events/poll"], {"name": "b:mail", "arguments": {"q": 1}, "cursor": "c1"})
        assert found["events"] == [{"eventId": "1", "name": "b:mail"}]
        assert found["cursor"] == "c2"
        assert desk.door.sent[-1] == (
            "b",
            "events/poll",
            "mail",
            {"name": "mail", "arguments": {"q": 1}, "cursor": "c1"},
        )

    @pytest.mark.parametrize("method", ["events/subscribe", "events/unsubscribe"])
    def test_a_subscription_goes_to_the_server_of_its_event_and_is_not_repeated(self, method: str) -> None:
        desk = self.desk()
        desk.door.answers["a", method] = {"id": "sub_1"}
        delivery = {"url": "https://x.example/hook", "secret": "whsec_x"}
        assert desk.asks(METHODS[method], {"name": "a:mail", "delivery": delivery})["id"] == "sub_1"
        assert desk.door.sent[-1][:3] == ("a", method, "mail")
        assert desk.door.safe[-1] is False

    def test_an_event_of_nobody_is_refused(self) -> None:
        desk = self.desk()
        for name in ("mail", "c:mail", "a:"):
            assert desk.refused(METHODS["events/poll"], {"name": name}).code == INVALID_PARAMS
        assert desk.door.sent == []

    def test_a_server_by_itself_has_its_own_names(self) -> None:
        desk = self.desk("a")
        event = {"name": "mail", "delivery": ["push"]}
        desk.door.answers["a", "events/list"] = {"events": [event], "nextCursor": "n"}
        assert desk.asks(METHODS["events/list"])["events"] == [event]
