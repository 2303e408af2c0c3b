"""What a session was for, for clients without one: directory, owner of kept results, limits."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from tests.support import free_port

from .harness import environment, python_server, run, stdio, write_config
from .modern import META, asked
from .sdk import text
from .test_directories import WHERE, mirror
from .test_listener import run_listener


def made(port: int, tool: str, arguments: Any = None, about: Any = None, **headers: str) -> tuple[int, Any]:
    """The HTTP status and the answer of a call without a session.

    Args:
        about: What its `_meta` says beside.
    """
    params = {"name": tool, "arguments": arguments or {}, "_meta": {**META, **(about or {})}}
    return asked(port, "tools/call", params, **headers)


def called(port: int, tool: str, arguments: Any = None, about: Any = None, **headers: str) -> Any:
    status, answer = made(port, tool, arguments, about, **headers)
    assert status == 200, answer
    return answer["result"]


def said(result: Any) -> Any:
    return json.loads(result["content"][0]["text"])


def test_the_directory_is_that_of_the_header_or_of_meta_and_of_that_request_alone(tmp_path: Path) -> None:
    port = free_port()
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    script = tmp_path / "where.py"
    script.write_text(WHERE)
    server = stdio(python_server(str(script)))
    config = write_config(
        tmp_path / "c.json", {"w": server, "g": {**server, "cwdMode": "global", "cwd": str(tmp_path)}}
    )
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    with run_listener(tmp_path, config, port):
        first = said(called(port, "w__where", **{"x-callmux-cwd": one}))
        assert first[0] == one
        by_meta = said(called(port, "w__where", about={"callmux": {"cwd": two}}, **{"x-callmux-cwd": one}))
        assert by_meta[0] == two, "whatever the header says"
        assert said(called(port, "w__where", **{"x-callmux-cwd": one})) == first, "the same process"
        inside = {"calls": [{"tool": "w__where"}, {"tool": "w__where", "cwd": two}]}
        both = json.dumps(called(port, "callmux_parallel", inside, **{"x-callmux-cwd": one}))
        assert one in both
        assert two in both
        assert said(called(port, "g__where", **{"x-callmux-cwd": one}))[0] == str(tmp_path)
        assert said(called(port, "w__where"))[0] not in (one, two), "nothing is taken from earlier requests"


def test_through_the_bridge_it_is_that_of_the_bridge(tmp_path: Path) -> None:
    port, here = free_port(), tmp_path / "here"
    here.mkdir()
    script = tmp_path / "where.py"
    script.write_text(WHERE)
    config = write_config(tmp_path / "c.json", {"w": stdio(python_server(str(script)))})

    async def scene() -> None:
        words = ["-m", "callmux", "bridge", "--url", f"http://127.0.0.1:{port}/mcp"]
        env = environment(tmp_path, "")
        target = StdioServerParameters(command=sys.executable, args=words, env=env, cwd=here)
        async with Client(target, mode="2026-07-28") as client:
            found = await client.call_tool("where", {})
            assert json.loads(text(found))[0] == str(here)

    with run_listener(tmp_path, config, port):
        run(scene(), 60)


def test_a_kept_result_is_its_principals_over_all_requests(tmp_path: Path) -> None:
    port = free_port()
    with mirror() as url:
        config = write_config(tmp_path / "c.json", {"m": {"url": url, "forwardHeaders": ["authorization"]}})
        with run_listener(tmp_path, config, port):
            short = called(port, "large", Authorization="Bearer ann")
            shielded = (short.get("_meta") or {}).get("callmux/shielded") or said(short)["_callmux"]
            page = {"ref": shielded["ref"], "limit": 1}
            for _ in range(2):
                found = called(port, "callmux_get_result", page, Authorization="Bearer ann")
                assert "Bearer ann" in json.dumps(found)
            for headers in ({"Authorization": "Bearer bob"}, {}):
                refused = called(port, "callmux_get_result", page, **headers)
                assert refused["isError"]
                assert "ann" not in json.dumps(refused)


def test_limits_count_requests_that_have_no_session(tmp_path: Path) -> None:
    port = free_port()
    script = tmp_path / "where.py"
    script.write_text(WHERE)
    limits = {"principalRequestsPerMinute": 3, "principalMaxInFlight": 2}
    server = stdio(python_server(str(script)))
    config = write_config(tmp_path / "c.json", {"w": server}, abuseControls=limits)
    with run_listener(tmp_path, config, port):
        seen = [made(port, "where")[0] for _ in range(5)]
    assert seen == [200, 200, 200, 429, 429]
