"""Every client has its entry, and every failure its next step."""

from __future__ import annotations

import json
import tomllib
from typing import Any

from callmux.clients.dialects import CLIENTS
from callmux.dashboard.reference import URL, reference
from callmux.failures.registry import ALL


def read() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(reference())
    return found


def test_each_client_has_a_command_and_an_entry_that_lead_to_the_listener() -> None:
    clients = {client["kind"]: client for client in read()["clients"]}
    assert list(clients) == list(CLIENTS)
    for kind, client in clients.items():
        assert client["command"].startswith(f"callmux client attach {kind} --url {URL}")
        assert client["command"].endswith("--bridge")
        document = tomllib.loads(client["entry"]) if kind == "codex" else json.loads(client["entry"])
        (section,) = document
        assert document[section]["callmux"]["args"] == ["bridge", "--url", URL]


def test_a_client_that_reaches_addresses_has_an_entry_without_the_bridge_too() -> None:
    clients = {client["kind"]: client for client in read()["clients"]}
    assert json.loads(clients["claude"]["direct"])["mcpServers"]["callmux"]["url"] == URL
    assert "--bridge" not in clients["claude"]["directCommand"]
    assert json.loads(clients["gemini"]["direct"])["mcpServers"]["callmux"]["httpUrl"] == URL
    assert "direct" not in clients["claude-desktop"]
    assert "--file PATH" in clients["generic"]["command"]


def test_each_failure_says_what_it_is_and_what_to_do() -> None:
    failures = read()["failures"]
    assert set(failures) == set(ALL)
    assert failures["server_failed"]["what"].startswith("The server could not be connected")
    assert failures["server_failed"]["next"].endswith("callmux server test SERVER")
