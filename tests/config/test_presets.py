"""A preset is defaults: whatever the file says goes before it."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from callmux.config.check import check_document, keys
from callmux.config.model import Config
from callmux.config.presets import PRESETS, Default, completed, defaults, lines, preset_of

LEAN = PRESETS["lean"]


def read(**given: Any) -> Config:
    checked = check_document({"servers": {}, **given})
    assert checked.errors == checked.warnings == []
    return checked.config


def test_a_preset_reads_as_if_its_keys_stood_in_the_file() -> None:
    spelled_out = msgspec.structs.replace(read(**LEAN), preset="lean")
    assert read(preset="lean") == spelled_out
    assert (spelled_out.meta_only, spelled_out.cache_ttl_seconds) == (True, 60)
    assert spelled_out.schema_compression.mode == "aggressive"


def test_every_preset_is_one_that_the_key_takes() -> None:
    assert [name for name in PRESETS if read(preset=name).preset == name] == list(PRESETS)


@pytest.mark.parametrize("document", [{}, {"preset": "fat"}, {"preset": 1}, {"preset": None}])
def test_without_a_preset_a_file_is_what_it_was(document: dict[str, Any]) -> None:
    assert completed(document) is document
    assert (preset_of(document), defaults(document), lines(document)) == (None, [], [])


def test_a_preset_that_there_is_not_is_refused_by_its_key() -> None:
    assert check_document({"servers": {}, "preset": "fat"}).errors == ['preset must be "lean"']


OWN: dict[str, Any] = {
    "metaOnly": False,
    "toolIndexTokens": 100,
    "persona": "none",
    "outputFormat": "json",
    "responseShield": {"preview": "sample"},
    "schemaCompression": {"mode": "off"},
    "cacheTtlSeconds": 0,
    "cachePolicy": {"tellAge": False},
}


@pytest.mark.parametrize("key", LEAN)
def test_each_key_of_the_user_goes_before_the_preset(key: str) -> None:
    name = keys(Config)[key].attribute
    found = read(preset="lean", **{key: OWN[key]})
    plain = check_document({"servers": {}, key: OWN[key]}).config
    assert getattr(found, name) == getattr(plain, name)
    gone = {"toolIndexTokens"} if key == "metaOnly" else set()
    others = [keys(Config)[other].attribute for other in LEAN if other not in {key, *gone}]
    whole = read(preset="lean")
    assert all(getattr(found, other) == getattr(whole, other) for other in others)


def test_what_a_group_of_keys_leaves_open_is_the_presets() -> None:
    compression = read(preset="lean", schemaCompression={"maxDescriptionChars": 80}).schema_compression
    assert (compression.mode, compression.max_description_chars) == ("aggressive", 80)


def test_what_a_server_says_of_itself_goes_before_it() -> None:
    server = {"command": "x", "schemaCompression": {"mode": "off"}}
    config = check_document({"servers": {"s": server}, "preset": "lean"}).config
    assert config.servers["s"].schema_compression is not None
    assert config.servers["s"].schema_compression.mode == "off"


def test_a_wish_that_leaves_no_room_for_a_key_of_the_preset_is_granted() -> None:
    config = read(preset="lean", exposeMetaTools=False)
    assert (config.meta_only, config.expose_meta_tools) == (False, False)
    (line,) = [line for line in lines({"preset": "lean", "exposeMetaTools": False}) if "itself" in line]
    assert line == (
        "The file itself goes before it: exposeMetaTools false (not metaOnly true), "
        "exposeMetaTools false (not toolIndexTokens 1500)"
    )
    assert read(preset="lean", metaOnly=False).tool_index_tokens == 0
    assert not read(preset="lean", exposeMetaTools=True, metaOnly=False).meta_only
    assert read(preset="lean", exposeMetaTools=True).meta_only


def test_a_key_of_the_wrong_kind_is_an_error_beside_a_preset_too() -> None:
    checked = check_document({"servers": {}, "preset": "lean", "schemaCompression": 1, "metaOnly": "yes"})
    assert checked.errors == ["metaOnly must be a boolean", "schemaCompression must be an object"]


def test_what_it_sets_and_what_goes_before_it_is_said_by_key() -> None:
    document = {"preset": "lean", "cacheTtlSeconds": 5, "schemaCompression": {"mode": "off"}}
    said = {one.key: one for one in defaults(document)}
    assert said["metaOnly"] == Default("metaOnly", True, True)
    assert said["cacheTtlSeconds"] == Default("cacheTtlSeconds", 60, False, "cacheTtlSeconds 5")
    assert said["schemaCompression.mode"] == Default(
        "schemaCompression.mode", "aggressive", False, 'schemaCompression.mode "off"'
    )
    first, second = lines(document)
    assert first.startswith('Preset "lean" sets: metaOnly true')
    assert second == (
        "The file itself goes before it: "
        'schemaCompression.mode "off" (not "aggressive"), cacheTtlSeconds 5 (not 60)'
    )


def test_what_is_shown_of_a_preset_alone_is_every_key_of_it() -> None:
    (line,) = lines({"preset": "lean"})
    for said in ("metaOnly true", "toolIndexTokens 1500", 'preview "beginning"', 'mode "aggressive"'):
        assert said in line
    assert "cacheTtlSeconds 60" in line


def test_a_file_may_take_back_the_whole_of_a_preset() -> None:
    document = {"preset": "lean", **dict.fromkeys(LEAN, 0)}
    assert lines(document)[0] == 'Preset "lean" sets: nothing'
