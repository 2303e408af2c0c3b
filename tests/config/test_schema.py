"""The schema for editors agrees with the loader."""

from __future__ import annotations

from functools import cache
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.config.check import check_document, keys
from callmux.config.model import Config
from callmux.config.schema import config_schema, descriptions
from callmux.config.section import Section
from callmux.config.servers import HttpServer, StdioServer

HASH = "scrypt$1024$8$1$b3BzLXNlY3JldDAxMjM0NQ$jJ9urypeY6jgTGudkge2CCfOyAiQJTw1Mi7glxNEAn0"
TOKENS = {"mode": "bearer", "tokens": [{"id": "a", "hash": HASH}, {"id": "b", "tokenRef": "env:X"}]}

GOOD: list[dict[str, Any]] = [
    {"servers": {}},
    {"$schema": "x", "mcpServers": {}, "servers": None, "somethingElse": 1},
    {"servers": {"a": {"command": "x", "type": "whatever", "env": {"A": ""}, "callTimeoutMs": 5.0}}},
    {"servers": {"a": {"url": "u", "command": 5, "forwardHeaders": [" X-A "], "prefix": ""}}},
    {"servers": {}, "auth": TOKENS, "management": {"allowAuthenticatedRead": True, "auth": TOKENS}},
    {
        "servers": {},
        "auth": {
            "mode": "oidc_jwt",
            "issuer": "i",
            "audience": ["a"],
            "jwksUri": "http://i/j",
            "allowInsecureJwksUri": True,
            "algorithms": [],
        },
    },
    {"servers": {}, "reconnectPolicy": {"maxAttempts": None, "jitterRatio": 1}},
    {
        "servers": {},
        "recipes": {
            "p": {
                "mode": "pipeline",
                "steps": [{"tool": "x", "onMappingMissing": "fail", "inputMapping": {}}],
            },
            "c": {"mode": "call", "tool": "x", "arguments": {"n": {"$param": "n"}}},
            "b": {"mode": "batch", "tool": "x", "items": []},
        },
    },
    {"servers": {}, "abuseControls": {"cidrAllowlist": ["::1"]}, "toolNameLimit": 0, "metrics": {}},
]


@cache
def validator() -> Any:
    return jsonschema.Draft202012Validator(config_schema())


def test_it_is_a_valid_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(config_schema())


@pytest.mark.parametrize("document", GOOD)
def test_it_accepts_what_the_loader_accepts(document: dict[str, Any]) -> None:
    """Weak spot C19 of callmux (npm)."""
    assert check_document(document).errors == []
    assert [error.message for error in validator().iter_errors(document)] == []


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"servers": {}, "mcpServers": {}},
        {"servers": {}, "metaOnly": True, "exposeMetaTools": False},
        {"servers": {"a": {}}},
        {"servers": {"a": {"command": "x", "args": [1]}}},
        {"servers": {}, "callTimeoutMs": 2**31},
        {"servers": {}, "auth": {"mode": "basic"}},
        {"servers": {}, "recipes": {"r": {"mode": "pipeline", "steps": []}}},
    ],
)
def test_it_refuses_what_the_loader_refuses(document: dict[str, Any]) -> None:
    """Not everything: some rules cannot be said in a schema."""
    assert check_document(document).errors
    assert not validator().is_valid(document)


scalars = (
    st.none() | st.booleans() | st.integers(-1, 10) | st.sampled_from(["", "x", "sse", "/a", "env:A", 5.0])
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["x", "mode"]), inner, max_size=2)
    ),
)


def part(section: type[Section], **fixed: Any) -> st.SearchStrategy[dict[str, Any]]:
    names = st.sampled_from(sorted(keys(section)))
    return st.dictionaries(names, values, max_size=3).map(lambda drawn: {**drawn, **fixed})


@given(part(Config), part(StdioServer, command="x"), part(HttpServer, url="u"))
def test_it_never_refuses_what_the_loader_accepts(
    settings: dict[str, Any], stdio: dict[str, Any], http: dict[str, Any]
) -> None:
    document = {**settings, "servers": {"a": stdio, "b": http}}
    if not check_document(document).errors:
        assert [error.message for error in validator().iter_errors(document)] == []


def test_every_key_is_described() -> None:
    """An editor shows the text; it is the docstring of the section."""
    schema = config_schema()
    silent = [
        f"{name}.{key}"
        for name, section in {"Config": schema, **schema["$defs"]}.items()
        for key, said in section["properties"].items()
        if not said.get("description")
    ]
    assert silent == []


def test_descriptions_come_from_docstrings() -> None:
    """Those of the bases too, on one line each."""
    said = descriptions(StdioServer)
    assert said["command"] == "The program: a path, or a name on `PATH`."
    assert said["always_load"].startswith("Tools that clients with deferred tools")
    assert "\n" not in said["env_refs"]
