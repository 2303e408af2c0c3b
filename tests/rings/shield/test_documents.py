"""The examples of docs/response-shield.md and docs/schema-compression.md do what they say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callmux.config.check import check_document
from callmux.metatools.meta_tool import META_TOOLS
from callmux.rings.shield.compact import Limits
from callmux.rings.shield.page_query import Query
from callmux.rings.shield.query import Document
from callmux.rings.shield.reply import shorten
from callmux.rings.shield.shortening import Shortening
from callmux.rings.stage import SMALL

DOCS = Path(__file__).parents[3] / "docs"
ROWS = [{"id": n, "name": f"row {n}", "labels": {"a.b": n}} for n in range(120)]
RESULT = msgspec.json.encode({"content": [{"type": "text", "text": json.dumps(ROWS)}]})


def block(kind: str, name: str = "response-shield.md") -> Any:
    found = re.search(
        rf"^```json {kind}\n(.*?)^```", (DOCS / name).read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    assert found is not None
    return json.loads(found[1])


@pytest.mark.parametrize("name", ["response-shield.md", "schema-compression.md"])
def test_the_configuration_is_one(name: str) -> None:
    checked = check_document(block("config", name))
    assert (checked.errors, checked.warnings) == ([], [])


def test_the_configuration_of_beginnings_is_one() -> None:
    text = (DOCS / "response-shield.md").read_text("utf-8")
    (found,) = re.findall(r'^```json config\n(\{ .*"beginning".*)\n```', text, re.MULTILINE)
    assert check_document(json.loads(found)).config.response_shield.preview == "beginning"


def test_the_reply_is_the_one_shown() -> None:
    order = Shortening(limits=Limits(65536, 8192, 3), tool="list_rows", server="db", ref="r_3f0c")
    reply = shorten(RESULT, order)
    assert reply is not None
    assert json.loads(json.loads(reply.raw)["content"][0]["text"]) == block("reply")


def test_the_beginning_is_the_one_shown() -> None:
    told = block("beginning")
    rows = [{"id": n, "text": "lorem ipsum dolor sit amet " * 20} for n in range(400)]
    order = Shortening(limits=Limits(65536, 1300, 50, True), tool="list_rows", server="db", ref="r_3f0c")
    reply = shorten(msgspec.json.encode({"content": [{"type": "text", "text": json.dumps(rows)}]}), order)
    assert reply is not None
    found = json.loads(json.loads(reply.raw)["content"][0]["text"])
    assert found["_callmux"] == told["_callmux"]
    assert [row["id"] for row in found["preview"]] == [row["id"] for row in told["preview"]]


def test_the_page_is_the_one_shown() -> None:
    query = msgspec.convert(block("call"), Query)
    page = msgspec.json.encode(Document(RESULT).page(query, 32768))
    assert json.loads(page) == block("page")


@pytest.mark.parametrize("path", ["0.name", "[0].name", '[0].labels["a.b"]', "0.labels.a\\.b", "length"])
def test_the_paths_lead_somewhere(path: str) -> None:
    assert f"`{path}`" in (DOCS / "response-shield.md").read_text("utf-8")
    Document(RESULT).page(Query(path=path), 1000)


def test_the_figures_are_those_of_the_code() -> None:
    text = (DOCS / "response-shield.md").read_text("utf-8")
    assert f"under {SMALL:,} bytes" in text
    assert all(f"`{name}`" in text for name, tool in META_TOOLS.items() if not tool.traits.shielded)
