"""Which values of an entry count as secrets."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from callmux.config.check import check_server
from callmux.config.server_secrets import veil_of
from callmux.config.variables import expand_server

S = "s3ntinel"


@pytest.mark.parametrize(
    "entry",
    [
        {"command": "x", "args": [f"--token={S}"]},
        {"command": "x", "args": ["--access-token", S]},
        {"command": "x", "args": ["--api-key", S]},
        {"command": "x", "args": ["-p", S]},
        {"command": "x", "args": [f"postgres://bob:{S}@db/x"]},
        {"command": "x", "args": ["-u", f"bob:{S}"]},
        {"command": "x", "args": ["-H", f"Authorization: Bearer {S}"]},
        {"command": "x", "args": ["--config", f'{{"apiKey": "{S}"}}']},
        {"command": "x", "args": ["${SECRETV}"]},
        {"command": "x", "args": ["--dir", "/x/${SECRETV}"]},
        {"command": "x", "env": {"A": S}},
        {"command": "x", "env": {"A": "${SECRETV}"}},
        {"command": "x", "env": {"DB": f"postgres://bob:{S}@db/x"}},
        {"url": "http://h/", "headers": {"Authorization": f"Bearer {S}"}},
        {"url": "http://h/", "headers": {"X-Api-Key": S}},
        {"url": "http://h/", "headers": {"Cookie": f"a=1; sid={S}"}},
        {
            "url": "http://h/",
            "headers": {"Authorization": f"Basic {b64encode(f'bob:{S}'.encode()).decode()}"},
        },
        {"url": f"http://bob:{S}@h/"},
        {"url": f"http://{S}@h/"},
        {"url": f"http://h/?api_key={S}"},
        {"url": "http://h/${SECRETV}/mcp"},
    ],
)
def test_a_secret_is_found_wherever_it_stands(entry: dict[str, Any]) -> None:
    server, problems, _ = check_server(entry, "servers.s")
    assert server is not None, problems
    veil = veil_of(expand_server(server, "servers.s", {"SECRETV": S}))
    assert veil.hide(f"no: {S}.") == "no: [redacted]."
    if veil.certain:
        encoded = b64encode(f"bob:{S}".encode()).decode()
        assert veil.hide(encoded) != encoded
    assert bool(veil.certain) is not any(guess in str(entry) for guess in ("-p", "SECRETV", "'A'"))
    assert veil.hide("bob tried, x h db a A") == "bob tried, x h db a A"


def test_references_forwarded_headers_and_inherited_tokens_count() -> None:
    server, _, _ = check_server({"command": "x"}, "s")
    remote, _, _ = check_server({"url": "http://h/", "headers": {"Accept": "text/plain"}}, "s")
    assert server is not None
    assert remote is not None
    inherited = {"GITHUB_TOKEN": "inherited1", "EDITOR": "some-editor", "SSH_AUTH_SOCK": "/tmp/agent"}
    shown = veil_of(server, ["referenced"], inherited=inherited).hide(
        "referenced inherited1 some-editor /tmp/agent"
    )
    assert shown == "[redacted] [redacted] some-editor /tmp/agent"
    veil = veil_of(remote, headers={"x-user-token": "forwarded"})
    assert veil.hide("forwarded text/plain") == "[redacted] text/plain"
