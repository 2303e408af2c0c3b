"""Programs written for callmux (npm) go on: its own management client, as published, against our listener."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.management.place import TOKEN, Place
from tests.management.test_client import Served
from tests.support import real_loop

MODULES = Path(__file__).parents[2] / ".cache" / "original" / "node_modules"
NODE = shutil.which("node")


@pytest.mark.skipif(
    NODE is None or not (MODULES / "callmux").is_dir(), reason="callmux for Node is not here: scripts/interop"
)
@real_loop()
async def test_every_method_of_the_original_client_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "node_modules").symlink_to(MODULES)
    program = tmp_path / "program.mjs"
    program.write_text((Path(__file__).parent / "original_client.mjs").read_text())
    place = Place(tmp_path, monkeypatch)
    async with Served(place) as served:
        assert NODE is not None
        process = await asyncio.create_subprocess_exec(
            NODE, str(program), served.base, TOKEN, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        assert process.returncode == 0
        found: dict[str, Any] = json.loads(out)
    values = {name: told["value"] for name, told in found.items() if "value" in told}
    errors = {name: told["error"] for name, told in found.items() if "error" in told}
    assert values["status"]["management"]["enabled"] is True
    assert values["status"]["runtime"]["status"] == "ok"
    assert list(values["effectiveConfig"]["servers"]) == ["a"]
    assert [server["name"] for server in values["servers"]["servers"]] == ["a"]
    for name, action in (
        ("addDry", "add_server"),
        ("updateDry", "patch_server"),
        ("removeDry", "delete_server"),
    ):
        assert (values[name]["dryRun"], values[name]["action"], values[name]["server"]) == (True, action, "b")
    assert list(values["addDry"]["config"]["servers"]) == ["a", "b"]
    assert values["updateDry"]["config"]["servers"]["b"]["disabled"] is True
    assert list(values["removeDry"]["config"]["servers"]) == ["a"]
    assert values["add"] == {"action": "added", "server": "b"}
    for name in ("addTools", "removeTools", "tools", "disable", "config"):
        assert values[name] == {"action": "updated", "server": "b"}
    assert values["restart"]["action"] == "restarted"
    assert values["clear"]["action"] == values["clearOne"]["action"] == "cache_cleared"
    assert (values["clearOne"]["tool"], values["clearOne"]["server"]) == ("t", "b")
    assert (values["slash"]["server"], values["removeSlash"]["server"]) == ("@scope/x", "@scope/x")
    assert values["restartSlash"]["server"] == "@scope/x"
    assert values["remove"] == {"action": "deleted", "server": "b"}
    assert set(errors) == {
        "restartDisabled",
        "missing",
        "impossible",
        "nothing",
        "strangerReads",
        "strangerWrites",
        "aborted",
        "elsewhere",
    }
    assert errors["restartDisabled"] == 'server "b" is disabled; enable it before restarting'
    assert errors["missing"] == 'server "zzz" not found'
    assert "both" in errors["impossible"]
    assert errors["strangerReads"] == "Management read access is not allowed"
    assert errors["strangerWrites"] == "Management auth is required for mutations"
    assert errors["elsewhere"] == "Not found"
    assert "s3cr3t-value-1" not in out.decode()
