"""`callmux server ... --listener URL` against a real listener."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from callmux.cli import server
from callmux.cli.server_remote import completed
from callmux.errors import UsageError
from callmux.management.client import ManagementFailed
from tests.management.place import TOKEN, Place
from tests.management.test_client import Served
from tests.process.test_orders import OtherNodes
from tests.support import real_loop


async def said(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """The command in a thread of its own: it has a loop of its own."""
    code = await asyncio.to_thread(server.run, list(words), None)
    return code, capsys.readouterr().out


@real_loop()
async def test_servers_are_changed_at_a_listener(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CALLMUX_MANAGEMENT_TOKEN", TOKEN)
    place = Place(tmp_path, monkeypatch)
    before = place.path.read_bytes()
    async with Served(place) as served:
        at = f"http://127.0.0.1:{served.port}"
        added = ["add", "b", "--env", "KEY=s3cr3t-value-1", "--listener", at, "--", "b", "--flag"]
        assert await said(capsys, *added) == (0, 'Added server "b"\n')
        assert await said(capsys, "list", "--url", at) == (
            0,
            "a: connected, 2 tools\nb: connected, 2 tools (changed here)\n",
        )
        code, out = await said(capsys, "set", "b", "--add-tool", "t", "--listener", at, "--json")
        assert (code, json.loads(out)) == (0, {"action": "updated", "server": "b"})
        # What is hidden on the way stays what it was.
        kept: Any = json.loads(place.state.read_text())["servers"]["b"]["config"]
        assert kept == {"command": "b", "args": ["--flag"], "env": {"KEY": "s3cr3t-value-1"}, "tools": ["t"]}
        assert await said(capsys, "restart", "b", "--url", at) == (0, 'Restarted server "b" (connected)\n')
        assert await said(capsys, "stop", "b", "--url", at) == (0, 'Stopped server "b" (sleeping)\n')
        place.host.others = OtherNodes()
        assert await said(capsys, "start", "b", "--url", at, "--node", "far") == (
            0,
            'Started server "b" (ordered), told to far\n',
        )
        place.host.others = None
        with pytest.raises(UsageError, match="--node needs --url"):
            await said(capsys, "stop", "b", "--node", "far")
        assert await said(capsys, "disable", "a", "b", "--url", at) == (
            0,
            'Disabled server "a"\nDisabled server "b"\n',
        )
        with pytest.raises(UsageError, match='"zzz" not found'):
            await said(capsys, "enable", "a", "zzz", "--url", at)
        assert await said(capsys, "enable", "a", "--url", at) == (0, 'Enabled server "a"\n')
        assert await said(capsys, "add", "c", "https://c.example/mcp", "--listener", at) == (
            0,
            'Added server "c"\n',
        )
        assert await said(capsys, "remove", "c", "--url", at) == (0, 'Deleted server "c"\n')
        with pytest.raises(ManagementFailed, match='"c" not found'):
            await said(capsys, "remove", "c", "--url", at)
        with pytest.raises(UsageError, match='"c" not found'):
            await said(capsys, "set", "c", "--disable", "--listener", at)
        with pytest.raises(UsageError, match="No server changes"):
            await said(capsys, "set", "a", "--listener", at)
        code, out = await said(capsys, "list", "--url", at, "--json")
        assert [one["name"] for one in json.loads(out)["servers"]] == ["a", "b"]
        file = tmp_path / "token"
        file.write_text("wrong-token\n")
        with pytest.raises(ManagementFailed, match="not allowed"):
            await said(capsys, "list", "--url", at, "--token-file", str(file))
        file.write_text(" ")
        with pytest.raises(UsageError, match="is empty"):
            await said(capsys, "list", "--url", at, "--token-file", str(file))
        with pytest.raises(UsageError, match="cannot read the token"):
            await said(capsys, "list", "--url", at, "--token-file", str(tmp_path / "none"))
    assert place.path.read_bytes() == before


def test_the_usual_path_is_completed() -> None:
    from callmux.cli.grammar.server import COMMANDS
    from callmux.cli.parsing import read

    given = read(COMMANDS[0], ["list"])
    assert completed(given, "http://h:1") == "http://h:1/management/v1"
    assert completed(given, "https://h/") == "https://h/management/v1"
    assert completed(given, "https://h/admin/") == "https://h/admin"
    for wrong in ("h:1", "ftp://h", "http://"):
        with pytest.raises(UsageError):
            completed(given, wrong)
