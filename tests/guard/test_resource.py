"""What a listener says of itself: exactly the address that the client asked for, or no address at all."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callmux.guard.resource import WELL_KNOWN, Resource
from tests.guard.callers import FakeCaller

ISSUER = "https://id.example/tenant/"


def asked(path: str, host: str = "localhost:4860", scheme: str = "http") -> FakeCaller:
    caller = FakeCaller(path, "GET", host=host)
    caller.scheme = scheme
    return caller


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("", "http://localhost:4860/mcp"),
        ("/", "http://localhost:4860/mcp"),
        ("/mcp", "http://localhost:4860/mcp"),
        ("/mcp/p/reader", "http://localhost:4860/mcp/p/reader"),
        ("/sse", "http://localhost:4860/sse"),
    ],
)
def test_the_document_names_the_endpoint_that_its_path_is_about(path: str, resource: str) -> None:
    document = Resource(None, [ISSUER], ["mcp"]).document(asked(WELL_KNOWN + path))
    assert document == {
        "resource": resource,
        "authorization_servers": [ISSUER],
        "scopes_supported": ["mcp"],
        "bearer_methods_supported": ["header"],
        "resource_name": "callmux",
    }


@pytest.mark.parametrize("path", ["/health", "/mcp/p/", "/mcp/p/a/b", "/mcp/../sse", "x", "/MCP", '/mcp/p/"'])
def test_there_is_no_document_for_anything_else(path: str) -> None:
    assert Resource(None, [ISSUER], []).document(asked(WELL_KNOWN + path)) is None


@pytest.mark.parametrize(
    ("host", "scheme", "base"),
    [
        ("LocalHost:80", "http", "http://localhost"),
        ("mcp.example:443", "https", "https://mcp.example"),
        ("mcp.example:443", "http", "http://mcp.example:443"),
        ("[::1]:4860", "http", "http://[::1]:4860"),
    ],
)
def test_the_address_is_in_its_canonical_form(host: str, scheme: str, base: str) -> None:
    document = Resource(None, [], []).document(asked(f"{WELL_KNOWN}/mcp", host, scheme))
    assert document is not None
    assert document["resource"] == f"{base}/mcp"
    assert "authorization_servers" not in document


@pytest.mark.parametrize("host", ["", 'a"b', "a b", "a/b", "a@b", "a\r\nX: y", "[::1", "a:b", "a:123456"])
def test_a_host_that_is_none_gets_into_no_answer(host: str) -> None:
    resource = Resource(None, [ISSUER], [])
    assert resource.document(asked(f"{WELL_KNOWN}/mcp", host)) is None
    assert resource.challenge(asked("/mcp", host)) == 'Bearer realm="callmux"'


@pytest.mark.parametrize(
    ("path", "metadata"),
    [
        ("/mcp", "/mcp"),
        ("/mcp/", "/mcp"),
        ("/mcp/p/reader", "/mcp/p/reader"),
        ("/sse", "/sse"),
        ("/messages", "/sse"),
        ("/ready", ""),
        ("/nowhere", ""),
    ],
)
def test_a_challenge_names_the_document_of_what_was_asked_for(path: str, metadata: str) -> None:
    resource = Resource(None, [ISSUER], [])
    where = f"http://localhost:4860{WELL_KNOWN}{metadata}"
    assert resource.challenge(asked(path)) == f'Bearer realm="callmux", resource_metadata="{where}"'
    assert resource.document(asked(WELL_KNOWN + metadata)) is not None


def test_a_challenge_says_what_is_wrong_and_which_scopes_are_needed() -> None:
    resource = Resource(None, [ISSUER], ["mcp", "files:read"])
    assert resource.challenge(asked("/mcp"), "invalid_token").endswith(
        '/mcp", error="invalid_token", scope="mcp files:read"'
    )
    assert resource.challenge(asked("/mcp"), "insufficient_scope", ["files:write"]).endswith(
        '/mcp", error="insufficient_scope", scope="files:write"'
    )


@pytest.mark.parametrize("url", ["https://gate.example/team/mcp", "https://gate.example/team/mcp/"])
def test_behind_a_proxy_the_configured_address_counts_and_not_the_host(url: str) -> None:
    resource = Resource(url, [ISSUER], [])
    for path in (WELL_KNOWN, f"{WELL_KNOWN}/mcp", f"{WELL_KNOWN}/team/mcp"):
        document = resource.document(asked(path, "inside:4860"))
        assert document is not None
        assert document["resource"] == "https://gate.example/team/mcp"
    view = resource.document(asked(f"{WELL_KNOWN}/team/mcp/p/reader"))
    assert view is not None
    assert view["resource"] == "https://gate.example/team/mcp/p/reader"
    challenge = resource.challenge(asked("/mcp", "inside:4860"))
    assert f'resource_metadata="https://gate.example{WELL_KNOWN}/team/mcp"' in challenge


def test_a_public_address_need_not_end_like_ours() -> None:
    resource = Resource("https://tools.example", [ISSUER], [])
    for path in (WELL_KNOWN, f"{WELL_KNOWN}/mcp"):
        document = resource.document(asked(path))
        assert document is not None
        assert document["resource"] == "https://tools.example"
    assert f'"https://tools.example{WELL_KNOWN}"' in resource.challenge(asked("/mcp"))


@given(st.text(max_size=40), st.text(max_size=60), st.sampled_from(["http", "https"]))
def test_nothing_that_a_client_writes_breaks_out_of_an_answer(host: str, path: str, scheme: str) -> None:
    for resource in (Resource(None, [ISSUER], []), Resource("https://gate.example/x", [ISSUER], [])):
        challenge = resource.challenge(asked(path, host, scheme), "invalid_token")
        assert re.fullmatch(r'Bearer realm="callmux"(, [a-z_]+="[!#-\[\]-~]+")*', challenge), challenge
        document = resource.document(asked(WELL_KNOWN + path, host, scheme))
        assert document is None or re.fullmatch(r"https?://[!-~]+", document["resource"])
