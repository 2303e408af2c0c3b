"""One configuration at work."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.process.servers import has_directory
from tests.process.test_host import House, config
from tests.support import play

OFF = {"responseShield": {"enabled": False}, "schemaCompression": {"enabled": False}}


def facts(monkeypatch: pytest.MonkeyPatch, *servers: str, **more: Any) -> Any:
    async def scene() -> Any:
        house = await House(monkeypatch, config(*servers, **more)).greets()
        listed = await house.tools()
        runtime = house.host.runtime
        shown = {
            "listed": listed,
            "servers": sorted(runtime.servers),
            "failed": [server.name for server in runtime.failed()],
            "transparent": runtime.is_transparent,
            "drain": runtime.drain_seconds(),
            "same catalogue": runtime.indexes.catalogue() is runtime.indexes.catalogue(),
        }
        await house.host.close()
        return shown

    return play(scene())


def test_it_wires_the_servers_that_are_not_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = facts(monkeypatch, servers={n: {"command": n, "disabled": n == "b"} for n in ("a", "b", "bad")})
    assert shown["servers"] == ["a", "bad"]
    assert shown["failed"] == ["bad"]
    assert shown["listed"] == ["a__t"]
    assert shown["same catalogue"]


@pytest.mark.parametrize(
    ("more", "transparent"),
    [
        ({}, False),
        ({"exposeMetaTools": False, "toolNameLimit": 0, **OFF}, True),
        ({"exposeMetaTools": True, "toolNameLimit": 0, **OFF}, False),
        ({"exposeMetaTools": False, "toolNameLimit": 0, "fileReferenceRoots": ["/"], **OFF}, False),
    ],
)
def test_one_server_without_anything_of_ours_is_transparent(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], transparent: bool
) -> None:
    assert facts(monkeypatch, "a", **more)["transparent"] is transparent


def test_the_configuration_of_the_page_is_transparent(monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[2] / "docs" / "relay.md").read_text("utf-8")
    shown = re.search(r"^```json config\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert shown is not None
    document = json.loads(shown[1])
    checked = check_document(document)
    assert (checked.errors, checked.warnings) == ([], [])
    del document["servers"]
    assert facts(monkeypatch, "a", **document)["transparent"] is True


def test_two_servers_are_never_transparent(monkeypatch: pytest.MonkeyPatch) -> None:
    more = {"exposeMetaTools": False, "toolNameLimit": 0, **OFF}
    assert facts(monkeypatch, "a", "b", **more)["transparent"] is False


@pytest.mark.parametrize(
    ("more", "seconds"),
    [
        ({"callTimeoutMs": 5000}, 6),
        ({"callTimeoutMs": 5000, "reloadDrainTimeoutMs": 100}, 0.1),
        ({"callTimeoutMs": 5000, "servers": {"a": {"command": "a", "callTimeoutMs": 9000}}}, 10),
    ],
)
def test_replaced_servers_may_finish_their_longest_call(
    monkeypatch: pytest.MonkeyPatch, more: dict[str, Any], seconds: float
) -> None:
    names = () if "servers" in more else ("a",)
    assert facts(monkeypatch, *names, **more)["drain"] == seconds


@pytest.mark.parametrize(
    ("entry", "wanted"),
    [
        ({"command": "a"}, True),
        ({"command": "a", "cwdMode": "session"}, True),
        ({"command": "a", "cwdMode": "global"}, False),
        ({"url": "http://127.0.0.1:1/mcp"}, False),
    ],
)
def test_remote_and_global_servers_run_where_they_run(entry: dict[str, Any], wanted: bool) -> None:
    """Weak spot W35 of callmux (npm)."""
    checked = check_document({"servers": {"a": entry}})
    assert has_directory(checked.config.servers["a"]) is wanted


@pytest.mark.parametrize(
    ("approve", "method", "asks"),
    [
        ([], "vendor/does", False),
        (["write"], "vendor/does", True),
        (["destroy"], "vendor/does", False),
        (["a__*"], "notifications/vendor", True),
        (["read"], "notifications/roots/list_changed", False),
        (["read"], "notifications/cancelled", False),
    ],
)
def test_a_notification_that_would_have_to_be_approved_goes_nowhere(
    monkeypatch: pytest.MonkeyPatch, approve: list[str], method: str, asks: bool
) -> None:
    async def scene() -> bool:
        house = await House(monkeypatch, config("a", approve=approve)).greets()
        found = house.host.runtime.asks("a", method)
        await house.host.close()
        return found

    assert play(scene()) is asks
