"""The settings that setup writes beside servers."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.config.notation import write
from callmux.setup.settings import ONE_APPROVAL, beginning, notes, written

PLAIN = '{\n  "servers": {},\n  "cacheTtlSeconds": 0\n}\n'


def test_a_new_configuration_with_a_preset_has_no_key_that_the_preset_sets() -> None:
    document = beginning("c.schema.json", "lean")
    assert list(document.items()) == [("$schema", "./c.schema.json"), ("preset", "lean"), ("servers", {})]
    assert check_document(document).config.cache_ttl_seconds == 60
    assert write("/c.yaml", beginning(None, "lean")) == "preset: lean\nservers: {}\n"


@pytest.mark.parametrize("preset", [None, "none"])
def test_without_one_it_is_the_usual_beginning(preset: str | None) -> None:
    document = beginning(None, preset)
    assert list(document.items()) == [("servers", {}), ("cacheTtlSeconds", 0), ("maxConcurrency", 20)]


def change(text: str, **chosen: Any) -> Any:
    none = {"preset": None, "cache_seconds": None, "meta_only": None}
    return json.loads(written("/c.json", text, **{**none, **chosen}))


def test_what_was_not_chosen_stays_as_it_is() -> None:
    assert written("/c.json", PLAIN, None, None, None) == PLAIN


def test_a_preset_is_written_once_and_taken_back_by_none() -> None:
    lean = json.dumps(change(PLAIN, preset="lean"))
    assert json.loads(lean) == {**json.loads(PLAIN), "preset": "lean"}
    assert written("/c.json", lean, "lean", None, None) == lean
    assert change(lean, preset="none") == json.loads(PLAIN)
    assert written("/c.json", PLAIN, "none", None, None) == PLAIN


def test_cache_and_listing_are_written_where_they_differ() -> None:
    assert change(PLAIN, cache_seconds=60)["cacheTtlSeconds"] == 60
    assert change(PLAIN, meta_only=True)["metaOnly"] is True
    assert "metaOnly" not in change(PLAIN, meta_only=False)
    lean = '{"preset": "lean", "servers": {}}'
    assert "metaOnly" not in change(lean, meta_only=True)
    assert change(lean, meta_only=False)["metaOnly"] is False


def test_a_chosen_preset_is_explained_with_what_goes_before_it_and_what_one_approval_permits() -> None:
    sets, instead, approval = notes({"preset": "lean", "servers": {}, "cacheTtlSeconds": 0}, "lean", None)
    assert sets.startswith('Preset "lean" sets: metaOnly true')
    assert instead == "The file itself goes before it: cacheTtlSeconds 0 (not 60)"
    assert approval == ONE_APPROVAL
    assert all(word in approval for word in ("callmux_call", "denyTools", "approve"))


def test_meta_tools_alone_are_explained_without_a_preset_too() -> None:
    assert notes({"servers": {}, "metaOnly": True}, None, True) == [ONE_APPROVAL]
    assert notes({"servers": {}, "preset": "lean"}, None, None) == []
    assert notes({"servers": {}}, "none", None) == []
