"""The table of extensions, and names in results: exchanged where they stand, all else byte for byte."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.bridge.listings import SAFE_METHODS
from callmux.guard.tiers import READ, of_method
from callmux.protocol import extensions
from callmux.protocol.extensions import TABLE, Naming, renamed, texts
from callmux.protocol.methods import REQUESTS

PATHS = (("skills", "uri"), ("skills", "resources", "uri"))
LISTED = (
    b'{"skills": [{"uri":"skill:\\/\\/x","frontmatter":{"name": "x", "n":1.50e3,"uri":"skill://x"}, '
    b'"resources":[{"uri":"skill://x","digest":"sha256:0"}]}, null, 7],"_meta":{"uri":"skill://x"}}'
)


def test_each_request_lists_or_names_something() -> None:
    for extension in TABLE:
        for method in extension.methods:
            assert (method.items is None) != (method.target is None), method.name
            assert all(method.names), method.name
            assert extensions.OWNERS[method.name] is extension
    assert {"events/list", "skills/list"} == extensions.LISTING
    assert {"skills/get", "resources/directory/read"} == extensions.ADDRESSED


def test_a_request_of_the_table_is_known_everywhere_as_one() -> None:
    """Without an id it is none; what reads may be repeated, and is a reading in rules."""
    assert extensions.METHODS.keys() <= REQUESTS
    assert extensions.READING <= SAFE_METHODS
    assert {of_method(name) for name in extensions.READING} == {READ}


def test_names_are_exchanged_where_they_stand_and_nowhere_else() -> None:
    after = renamed(LISTED, PATHS, lambda name: name.replace("skill://", "skill://callmux/a/"))
    assert b'{"name": "x", "n":1.50e3,"uri":"skill://x"}' in after
    assert b'"_meta":{"uri":"skill://x"}' in after
    shown = json.loads(after)["skills"]
    assert shown[0]["uri"] == shown[0]["resources"][0]["uri"] == "skill://callmux/a/x"
    assert shown[1:] == [None, 7]


def test_texts_are_found_where_names_stand() -> None:
    assert texts(LISTED, PATHS) == ["skill://x", "skill://x"]


@pytest.mark.parametrize(
    "raw",
    [
        LISTED,
        b'{"skills":{"uri":7}}',
        b'{"skills":null}',
        b'{"skills":"uri"}',
        b"{}",
        b'{"skills":[[[]]]}',
        b'{"skills":[{"resources":"dynamic"}]}',
    ],
)
def test_what_has_no_other_name_is_the_same_object(raw: bytes) -> None:
    assert renamed(raw, PATHS, lambda name: name) is raw


def test_uris_and_ids_are_told_apart() -> None:
    assert {method.naming for method in extensions.METHODS.values()} <= set(Naming)


def test_what_only_a_server_by_itself_can_serve_is_left_out_of_what_several_list() -> None:
    def among(*items: Any) -> Any:
        raws = [Raw(json.dumps(item).encode()) for item in items]
        return [json.loads(bytes(raw)) for raw in extensions.among(raws, ("delivery", "push"))]

    both, push = {"name": "a", "delivery": ["poll", "push"]}, {"name": "b", "delivery": ["push"]}
    assert among(both, push) == [{"name": "a", "delivery": ["poll"]}]
    odd = [{"name": "c", "delivery": ["poll"]}, {"name": "d"}, {"name": "e", "delivery": 5}]
    assert among(*odd) == odd
    raws = [Raw(json.dumps(push).encode())]
    assert extensions.among(raws, None) is raws


def test_an_extension_is_declared_by_its_key_or_as_a_capability_of_its_own() -> None:
    paths = {row.key: row.path for row in TABLE}
    assert paths[extensions.SKILLS] == ("extensions", extensions.SKILLS)
    assert paths[extensions.EVENTS] == ("events",)
    assert extensions.EVENTS not in extensions.KEYS
