"""Listed definitions get shorter; what they demand stays byte for byte."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as tried
from hypothesis import strategies as st

from callmux.config.results import SchemaCompression, ServerCompression
from callmux.metatools.meta_tool import definitions
from callmux.protocol.shapes import Tool
from callmux.router.compress import (
    Compression,
    Settings,
    bounded,
    compress_schema,
    compress_tool,
    is_obvious,
    settings,
    shortened,
    shown,
)
from callmux.upstream.catalogue import Catalogue, ServerTools
from tests import dialect
from tests.dialect import keeps_to
from tests.schemas import SCHEMAS

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "catalogs"
BALANCED = Settings("balanced", 160)
AGGRESSIVE = Settings("aggressive", 160)
LONG = "This field is explained at a length that no client needs before it calls. " * 6


def encode(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def compressed(schema: Any, how: Settings = BALANCED) -> Any:
    return json.loads(compress_schema(encode(schema), how))


# What counts as a schema here is written anew, not taken from the code under test.
ONE: tuple[str, ...] = (
    "items",
    "additionalItems",
    "additionalProperties",
    "unevaluatedItems",
    "unevaluatedProperties",
)
ONE += ("contains", "propertyNames", "not", "if", "then", "else", "contentSchema")
SOME = ("anyOf", "oneOf", "allOf", "prefixItems")
NAMED = ("properties", "patternProperties", "dependentSchemas", "dependencies", "$defs", "definitions")


def bare(schema: Any) -> Any:
    """A schema without the descriptions at schema positions."""
    if isinstance(schema, list):
        return [bare(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    found = {}
    for key, value in schema.items():
        if key == "description" and isinstance(value, str):
            continue
        if key in ONE or key in SOME:
            value = bare(value)
        elif key in NAMED and isinstance(value, dict):
            value = {name: bare(inner) for name, inner in value.items()}
        found[key] = value
    return found


@pytest.mark.parametrize(
    ("name", "description", "obvious"),
    [
        ("repo", "Repository name", True),
        ("issue_number", "The issue number", True),
        ("perPage", "Per page", True),
        ("page", "Page number", True),
        ("limit", "Limit", True),
        ("state", "State.", True),
        ("limit", "How many to show", False),
        ("owner", "One two three four five six owner", False),
        ("id", "id " + "x" * 200, False),
        ("", "Anything", False),
        ("straße", "Straße", True),
    ],
)
def test_a_description_that_says_no_more_than_the_name(name: str, description: str, obvious: bool) -> None:
    """W22: a description of 200 characters was dropped because it had six words."""
    assert is_obvious(description, name) is obvious


def test_ambiguous_names_keep_theirs() -> None:
    assert shown("The ref.", "ref", BALANCED) == "The ref."
    assert shown("The ref.", "ref", AGGRESSIVE) == "The ref."
    assert shown("The thing.", "thing", AGGRESSIVE) is None
    assert shown(" \n ", "ref", BALANCED) is None
    assert shown("a  b\nc", "x", BALANCED) == "a b c"


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("short", 160, "short"),
        (
            LONG.strip(),
            160,
            "This field is explained at a length that no client needs before it calls. "
            "This field is explained at a length that no client needs before it calls.",
        ),
        ("One sentence of some words here. And more", 35, "One sentence of some words here."),
        ("words without any end of a sentence", 20, "words without any..."),
        ("x" * 50, 20, "x" * 17 + "..."),
        ("abcdef", 3, "abc"),
        ("版本三点五の説明です。つづく説明", 12, "版本三点五の説明です。"),
    ],
)
def test_descriptions_end_with_a_sentence_where_one_fits(text: str, most: int, expected: str) -> None:
    """Weak spot W22 of callmux (npm)."""
    assert shortened(text, most) == expected


@given(st.text(max_size=400), st.integers(1, 300))
def test_a_cut_keeps_to_its_length(text: str, most: int) -> None:
    assert len(shortened(text, most)) <= most


def test_every_schema_position_is_reached() -> None:
    inner = {"description": LONG, "type": "string"}
    schema = {
        "description": LONG,
        **dict.fromkeys(ONE, inner),
        **{key: [inner, True] for key in SOME},
        **{key: {"n": inner, "m": False} for key in NAMED},
    }
    found = encode(compressed(schema))
    assert found.count(b'"description"') == encode(schema).count(b'"description"')
    assert all(len(text) <= 160 for text in _descriptions(json.loads(found)))
    assert compressed(schema, AGGRESSIVE) == bare(schema)


def _descriptions(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "description" and isinstance(inner, str):
                yield inner
            yield from _descriptions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _descriptions(inner)


def test_data_is_never_touched() -> None:
    """Strings named `description` inside `default` and `enum` were rewritten.

    Weak spot W22 of callmux (npm).
    """
    data = {"description": "a   b " + LONG}
    schema = {
        "type": "object",
        "properties": {"x": {"default": data, "enum": [data], "const": data, "examples": [data]}},
        "x-own": data,
    }
    assert compressed(schema, AGGRESSIVE) == schema


def test_a_property_that_is_called_description_is_a_property() -> None:
    schema = {"properties": {"description": {"type": "string", "description": "Description"}}}
    assert compressed(schema) == {"properties": {"description": {"type": "string"}}}
    odd = {"properties": {"description": "not a schema"}, "description": {"not": "a text"}}
    assert compressed(odd, AGGRESSIVE) == odd


def test_digits_and_spaces_stay_as_they_came_where_nothing_changes() -> None:
    raw = b'{ "maximum": 1.0e2, "description": "Kept as it is" }'
    assert compress_schema(raw, BALANCED) is raw
    assert b"12345678901234567890123" in compress_schema(
        b'{"maximum":12345678901234567890123,"description":"  x  y "}', BALANCED
    )


def test_the_name_in_the_list_makes_no_difference() -> None:
    """Weak spot W22 of callmux (npm)."""
    members = Tool(b'{"name":"list_issues","description":"List issues"}').members
    assert "description" not in compress_tool(members, "list_issues", BALANCED)
    assert compress_tool(members, "list_issues", Settings("off", 160)) == members


def test_what_cannot_be_read_is_left_alone() -> None:
    deep = b'{"items":' * 3000 + b'{"description":"  x "}' + b"}" * 3000
    compress_schema(b'{"items":' * 100 + b'{"description":"  x "}' + b"}" * 100, BALANCED)
    assert bytes(compress_tool({"inputSchema": msgspec.Raw(deep)}, "t", BALANCED)["inputSchema"]) == deep
    odd = {"description": msgspec.Raw(b"7"), "inputSchema": msgspec.Raw(b"true")}
    assert compress_tool(odd, "t", BALANCED) == odd


def test_a_server_goes_before_the_global_keys() -> None:
    assert settings(SchemaCompression(), None) == BALANCED
    assert settings(SchemaCompression(enabled=False), None).mode == "off"
    assert settings(SchemaCompression(enabled=False), ServerCompression(enabled=True)).mode == "balanced"
    own = ServerCompression(mode="aggressive", max_description_chars=9)
    assert settings(SchemaCompression(), own) == Settings("aggressive", 9)
    assert settings(SchemaCompression(mode="off"), None).mode == "off"


def test_meta_tools_keep_their_guidance() -> None:
    """Nine of eleven were cut in the middle of a sentence. Weak spot W22 of callmux (npm)."""
    for mode in ("off", "balanced"):
        compression = Compression(SchemaCompression(mode=mode), {})
        assert [compression.own(d) for d in definitions()] == [msgspec.json.encode(d) for d in definitions()]
    compression = Compression(SchemaCompression(mode="aggressive"), {})
    short = [json.loads(compression.own(d)) for d in definitions()]
    assert [d["description"] for d in short] == [d["description"] for d in definitions()]
    assert [bare(d["inputSchema"]) for d in short] == [bare(d["inputSchema"]) for d in definitions()]


def test_the_eleven_definitions_are_small() -> None:
    """W29: 11.4 kB in every session."""
    assert len(definitions()) == 11
    assert sum(len(msgspec.json.encode(d)) for d in definitions()) < 8000
    compression = Compression(SchemaCompression(mode="aggressive"), {})
    # callmux (npm) drops all guidance in this mode, and takes 5,937.
    assert sum(len(compression.own(d)) for d in definitions()) < 5937


def test_the_facts_of_the_status() -> None:
    tool = {"name": "list_issues", "description": "List issues", "inputSchema": {"type": "object"}}
    servers = [ServerTools(server=key, tools=[Tool(encode(tool))], listed=True) for key in ("a", "b")]
    compression = Compression(SchemaCompression(), {"a": None, "b": ServerCompression(mode="off")})
    catalogue = Catalogue(servers)
    facts = compression.facts(catalogue, definitions())
    assert compression.facts(catalogue, definitions()) is facts
    own = sum(len(msgspec.json.encode(definition)) for definition in definitions())
    size = len(encode(tool))
    saved = len(b'"description":"List issues",')
    assert (facts["enabled"], facts["mode"], facts["maxDescriptionChars"]) == (True, "balanced", 160)
    assert (facts["tools"], facts["compressedTools"]) == (2 + len(definitions()), 1)
    assert facts["originalBytes"] == own + 2 * size
    assert (facts["savedBytes"], facts["compressedBytes"]) == (saved, own + 2 * size - saved)
    assert facts["servers"]["a"]["savedPercent"] == round(100 * saved / size, 1)
    assert (facts["servers"]["b"]["enabled"], facts["servers"]["b"]["savedBytes"]) == (False, 0)


@pytest.mark.parametrize("mode", ["balanced", "aggressive"])
def test_the_example_of_the_documentation(mode: str) -> None:
    """docs/schema-compression.md: the tool becomes what is shown for the mode."""
    page = (Path(__file__).parents[2] / "docs" / "schema-compression.md").read_text("utf-8")
    blocks = dict(re.findall(r"^```json (\w+)\n(.*?)^```", page, re.DOTALL | re.MULTILINE))
    members = Tool(encode(json.loads(blocks["tool"]))).members
    shown = compress_tool(members, "list_issues", Settings(mode, SchemaCompression().max_description_chars))
    assert json.loads(msgspec.json.encode(shown)) == json.loads(blocks[mode])


def _tools(path: Path) -> list[dict[str, Any]]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    document = json.loads(data)
    found: list[dict[str, Any]] = []

    def collect(value: Any) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("name"), str) and isinstance(value.get("inputSchema"), dict):
                found.append(value)
                return
            for inner in value.values():
                collect(inner)
        elif isinstance(value, list):
            for inner in value:
                collect(inner)

    collect(document)
    return found


@pytest.mark.parametrize("mode", ["balanced", "aggressive"])
@pytest.mark.parametrize("catalog", ["smithery.json.gz", "*.json"])
def test_real_tools_keep_their_contract(catalog: str, mode: str) -> None:
    """All 9,976 tools of a public registry, and the 223 of seven well-known servers."""
    paths = sorted(SHARED.glob(catalog))
    if not paths:
        pytest.skip(f"no catalogues at {SHARED}: they are no part of the repository")
    how = Settings(mode, 160)
    count = 0
    for tool in (tool for path in paths for tool in _tools(path)):
        count += 1
        raw = encode(tool)
        after = compress_tool(Tool(raw).members, tool["name"], how)
        shorter = json.loads(msgspec.json.encode(after))
        # json keeps the order of members, so equal texts are equal bytes.
        assert encode(bare(shorter["inputSchema"])) == encode(bare(tool["inputSchema"])), tool["name"]
        others = {key: value for key, value in tool.items() if key not in ("description", "inputSchema")}
        assert {k: v for k, v in shorter.items() if k not in ("description", "inputSchema")} == others
        assert len(msgspec.json.encode(after)) <= len(raw)
    assert count == (9976 if catalog.startswith("smithery") else 223)


def test_without_servers_only_the_meta_tools_are_counted() -> None:
    facts = Compression(SchemaCompression(enabled=True), {}).facts(Catalogue([]), definitions())
    assert facts["tools"] == len(definitions())
    assert "servers" not in facts


def test_a_sentence_that_does_not_fit_is_cut_between_words() -> None:
    assert shortened("one two three four five six seven", 20) == "one two three..."


@pytest.mark.parametrize("properties", [{}, {"description_of": {"type": "string"}}, [1]])
def test_properties_without_descriptions_stay(properties: Any) -> None:
    schema = {"type": "object", "description": "D", "properties": properties}
    assert compressed(schema)["properties"] == properties


@given(SCHEMAS)
def test_any_schema_loses_its_descriptions_and_nothing_else(schema: Any) -> None:
    raw = json.dumps({"description": "the first. " * 20, "properties": {"a": schema}}).encode()
    after = json.loads(compress_schema(raw, AGGRESSIVE))

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: bare(inner) for key, inner in value.items() if key != "description"}
        return [bare(inner) for inner in value] if isinstance(value, list) else value

    assert bare(after) == bare(json.loads(raw))


@given(dialect.SCHEMAS, dialect.VALUES)
@tried(max_examples=40)
def test_a_shorter_schema_allows_what_the_whole_one_allows(schema: Any, value: Any) -> None:
    shorter = json.loads(compress_schema(json.dumps(schema).encode(), AGGRESSIVE))
    assert keeps_to(value, shorter) is keeps_to(value, schema)


def described(count: int, length: int, **more: Any) -> bytes:
    parameter = {"type": "string", "description": "Words. " * (length // 7)}
    properties = {f"parameter_{n}": parameter for n in range(count)}
    schema = {"type": "object", "properties": properties, "required": ["parameter_0"]}
    return msgspec.json.encode({"name": "t", "description": "Does it.", "inputSchema": schema, **more})


@pytest.mark.parametrize(("count", "length"), [(1, 20_000), (12, 600), (40, 150), (90, 10)])
def test_a_schema_that_a_client_would_strip_keeps_shorter_descriptions(count: int, length: int) -> None:
    before = described(count, length, title="T")
    after = bounded(before, 4000)
    schema = json.loads(after)["inputSchema"]
    assert len(msgspec.json.encode(schema)) <= 4000
    assert bare(schema) == bare(json.loads(before)["inputSchema"])
    assert json.loads(after)["title"] == "T"
    if count < 90:
        # Not one of them is lost.
        assert all(one["description"] for one in schema["properties"].values())


def test_what_a_client_would_not_strip_or_would_strip_in_any_case_stays_as_it_is() -> None:
    small, hopeless = described(3, 100), described(300, 70)
    assert bounded(small, 4000) is small
    assert bounded(hopeless, 4000) is hopeless
    long = msgspec.json.encode({"name": "t", "description": "x" * 5000, "inputSchema": {"type": "object"}})
    assert bounded(long, 4000) is long
    assert bounded(b'{"inputSchema":' + b"[" * 90, 40) == b'{"inputSchema":' + b"[" * 90
