"""All meta-tools, in order, and cheap to list."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

import callmux
from callmux.errors import InvalidArguments
from callmux.metatools.meta_tool import META_TOOLS, definitions
from callmux.metatools.table import NAMES, ROWS, advice, names, traits
from callmux.traits import Traits
from tests.architecture import Source
from tests.metatools.conftest import Bench
from tests.support import SECONDS

SOURCE = Path(callmux.__file__).parent
ORDER = [
    "callmux_parallel",
    "callmux_batch",
    "callmux_pipeline",
    "callmux_search_tools",
    "callmux_get_result",
    "callmux_call",
    "callmux_dry_run",
    "callmux_recipe_run",
    "callmux_recipe_dry_run",
    "callmux_cache_clear",
    "callmux_status",
]

PROPERTIES = {
    "callmux_parallel": {"calls", "outputFormat"},
    "callmux_batch": {"tool", "items", "server", "timeoutMs", "cwd", "outputFormat"},
    "callmux_pipeline": {"steps", "outputFormat"},
    "callmux_search_tools": {
        *("query", "server", "limit", "descriptionMaxLength", "outputFormat", "includeInputSchema"),
    },
    "callmux_get_result": {"ref", "path", "offset", "limit", "fields", "search", "outputFormat"},
    "callmux_call": {"tool", "server", "arguments", "timeoutMs", "cwd", "forceReconnect", "outputFormat"},
    "callmux_dry_run": {
        *("mode", "tool", "server", "arguments", "timeoutMs", "cwd", "calls", "items", "steps"),
        "outputFormat",
    },
    "callmux_recipe_run": {"recipe", "arguments", "outputFormat"},
    "callmux_recipe_dry_run": {"recipe", "arguments", "outputFormat"},
    "callmux_cache_clear": {"tool", "server"},
    "callmux_status": {
        *("server", "descriptions", "descriptionMaxLength", "recommendations", "sessions"),
        "outputFormat",
    },
}
REQUIRED = {
    "callmux_parallel": ["calls"],
    "callmux_batch": ["tool", "items"],
    "callmux_pipeline": ["steps"],
    "callmux_get_result": ["ref"],
    "callmux_call": ["tool"],
    "callmux_recipe_run": ["recipe"],
    "callmux_recipe_dry_run": ["recipe"],
}
READ_ONLY = {
    *("callmux_search_tools", "callmux_status", "callmux_get_result", "callmux_dry_run"),
    "callmux_recipe_dry_run",
}


def test_eleven_in_the_fixed_order() -> None:
    assert list(META_TOOLS) == ORDER
    assert [d["name"] for d in definitions()] == ORDER
    assert set(ORDER) == NAMES


@pytest.mark.parametrize("name", ORDER)
def test_schemas_have_the_known_properties(name: str) -> None:
    schema = META_TOOLS[name].definition["inputSchema"]
    assert set(schema["properties"]) == PROPERTIES[name]
    assert schema.get("required", []) == REQUIRED.get(name, [])
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("name", ORDER)
def test_annotations_tell_what_changes_nothing(name: str) -> None:
    """W29."""
    annotations = META_TOOLS[name].definition.get("annotations", {})
    assert (annotations.get("readOnlyHint") is True) == (name in READ_ONLY)


def test_the_definitions_are_cheap() -> None:
    """W29: every session pays for them; they were 12.8 kB."""
    assert len(msgspec.json.encode(definitions())) < 8_192


@pytest.mark.parametrize("name", ORDER)
def test_a_description_leads_with_the_essentials(name: str) -> None:
    first_sentence = META_TOOLS[name].definition["description"].split(". ")[0]
    assert len(first_sentence) <= 160


@pytest.mark.parametrize("name", ORDER)
@pytest.mark.parametrize("arguments", [b"[1]", b'"x"', b"null", b"7"])
def test_arguments_that_are_no_object_are_refused(name: str, arguments: bytes) -> None:
    """W1."""
    with pytest.raises(InvalidArguments) as caught:
        META_TOOLS[name].read(Raw(arguments))
    assert caught.value.details["field"] == REQUIRED.get(name, ["arguments"])[0]


@pytest.mark.parametrize("name", [n for n in ORDER if n not in REQUIRED and n != "callmux_dry_run"])
def test_no_arguments_are_an_empty_object(name: str) -> None:
    assert META_TOOLS[name].read(None).name == name


@pytest.mark.parametrize("name", [n for n in ORDER if n != "callmux_cache_clear"])
@pytest.mark.parametrize("value", ["yaml", 1, None])
def test_every_format_is_checked(bench: Bench, name: str, value: Any) -> None:
    filled = {"calls": [], "tool": "x", "items": [], "steps": [{"tool": "x"}], "ref": "r", "recipe": "r"}
    needed = {key: filled[key] for key in REQUIRED.get(name, [])}
    assert bench.refused(name, needed | {"outputFormat": value}) == "outputFormat"


@pytest.mark.parametrize("shown_as", ["json", "toon", "auto", "plain", "shortest"])
def test_a_format_is_kept_in_the_plan(bench: Bench, shown_as: str) -> None:
    assert bench.parse("callmux_status", {"outputFormat": shown_as}).output_format == shown_as


def test_reading_what_they_are_imports_none_of_them() -> None:
    """Help, the shell verbs and the bridge ask, and start for every call or session."""
    code = (
        "import sys; from callmux.metatools.table import traits; traits('callmux_call');"
        "print(*(m for m in sys.modules if m == 'msgspec' or m.startswith('callmux.')))"
    )
    loaded = subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS, text=True).split()
    assert sorted(loaded) == ["callmux.metatools", "callmux.metatools.table", "callmux.traits"]


@pytest.mark.parametrize("name", ORDER)
def test_what_a_row_says_fits_its_module(name: str) -> None:
    """Each trait that can be read from the definition or the module is what it says."""
    tool = META_TOOLS[name]
    module = import_module(f"callmux.metatools.{name.removeprefix('callmux_')}")
    assert (module.NAME, tool.definition) == (name, module.DEFINITION)
    properties = tool.definition["inputSchema"]["properties"]
    assert tool.traits.formatted == ("outputFormat" in properties)
    assert tool.traits.expands == hasattr(module, "expand")
    assert tool.traits.entries in ("", *properties)
    assert tool.traits.calls != tool.traits.harmless
    read_only = module.DEFINITION.get("annotations", {}).get("readOnlyHint", False)
    assert (tool.traits.tier == "read") == (read_only or tool.traits.calls)
    assert not tool.traits.transparent or tool.traits.relays


def test_what_is_none_of_them_has_no_traits() -> None:
    assert traits("a__b") is None


def test_nobody_else_has_a_list_of_them() -> None:
    """What a meta-tool is stands in its row: a second list would not know of the next one."""
    lists = {}
    for place, tree in Source.of_folder(SOURCE).trees.items():
        for node in ast.walk(tree):
            match node:
                case ast.Set(elts=items) | ast.Tuple(elts=items) | ast.List(elts=items):
                    named = [item for item in items if isinstance(item, ast.Constant) and item.value in NAMES]
                case ast.Dict(keys=keys):
                    named = [key for key in keys if isinstance(key, ast.Constant) and key.value in NAMES]
                case _:
                    continue
            if named and not place.startswith("metatools."):
                lists[place] = [item.value for item in named]
    # The demonstration says which it uses.
    assert lists.keys() == {"demo.task"}


def test_names_stand_in_the_order_of_the_list() -> None:
    assert sorted(names()) == sorted(ORDER)
    assert names() == [f"callmux_{word}" for word in ROWS]


def test_what_a_row_says_to_agents_is_collected(monkeypatch: pytest.MonkeyPatch) -> None:
    before = advice()
    monkeypatch.setitem(ROWS, "new", Traits(advice="Use it."))
    assert advice() == [*before, "Use it."]
