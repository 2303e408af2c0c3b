"""The comparison with other products runs, drops no failure, and its page is what was recorded.

No time is asserted.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "benchmarks" / "performance.py"
PAGES = ["README.md", "docs/performance.md", "docs/performance-ways.svg", "docs/performance-growth.svg"]
SECONDS = 60


def run(*arguments: str | Path) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@pytest.fixture
def peers(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The modules of the benchmark."""
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import peers.page
    import peers.rounds
    import peers.sockets

    yield peers
    for name in [name for name in sys.modules if name.partition(".")[0] == "peers"]:
        del sys.modules[name]


def test_the_server_alone_and_callmux_have_every_figure_of_stdio(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    products = ["--product", "direct", "--product", "callmux"]
    code, _ = run("--effort", "tiny", "--only", "stdio", *products, "--json", out)
    assert code == 0
    record = json.loads(out.read_text("utf-8"))
    rows = record["table"]["stdio"]
    assert list(rows) == ["direct", "callmux"]
    for row in rows.values():
        ((sample,), failed) = (row["samples"], row["failed"])
        assert not failed
        assert sample["p50_us"] > 0
        assert sample["per_s"] > 0
        assert sample["start_ms"] > 0
    ours = rows["callmux"]["samples"][0]
    assert ours["processes"] >= 1
    assert ours["servers"] == 1
    assert ours["pss_mb"] > 1
    assert ours["cpu_us"] > 0
    assert record["not_run"]["all"]["mcporter"] == "not asked for"


def test_the_page_is_what_was_recorded() -> None:
    assert run("--check") == (0, "")


def test_a_page_with_another_figure_is_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    for page in PAGES:
        shutil.copy(ROOT / page, tmp_path / page)
    for page in PAGES[:2]:
        changed = (tmp_path / page).read_text("utf-8").replace("FastMCP", "FestMCP")
        (tmp_path / page).write_text(changed, "utf-8")
    code, said = run("--check", "--root", tmp_path)
    assert code == 1
    assert [line.partition(" ")[0] for line in said.splitlines()] == ["docs/performance.md", "README.md"]


def test_a_product_that_fails_stays_in_the_page_with_its_error(peers: Any) -> None:
    record = peers.rounds.loaded()
    rows = record["table"]["stdio"]
    rows["slop-mcp"] = {"samples": [], "failed": ["it ended with code 7", "it ended with code 7"]}
    point = next(iter(record["growth"]["size"].values()))
    point["callmux (npm)"] = {"samples": [], "failed": ["the string is too long"]}
    text = peers.page.page(record)
    assert "| slop-mcp | failed, see below |" in text
    assert "- slop-mcp, stdio (2x): it ended with code 7" in text
    assert "(1x): the string is too long" in text


def test_an_answer_that_is_no_answer_fails_one_measurement_and_not_the_run(peers: Any) -> None:
    row = peers.rounds.empty()

    def broken() -> dict[str, float]:
        raise KeyError("tools")

    assert not peers.rounds.kept(row, broken, lambda: "out of memory")
    assert row == {"samples": [], "failed": ["KeyError('tools') (it said: out of memory)"]}


def test_a_figure_in_which_a_peer_is_better_is_said(peers: Any) -> None:
    record = peers.rounds.loaded()
    for sample in record["table"]["stdio"]["callmux (npm)"]["samples"]:
        sample["pss_mb"] = 1.0
    text = peers.page.page(record)
    section = text[text.index("## Where another product is better") :].partition("## How cost grows")[0]
    assert "**callmux (npm), stdio**, memory, MB (PSS) (callmux takes" in section


@pytest.mark.parametrize(
    "parts",
    [
        [b"HTTP/1.1 200 OK\r\nContent-Le", b"ngth: 2\r\nMcp-Session-Id: s7\r\n\r\n{", b"}"],
        [
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nmcp-session-id: s7\r\n\r\n2\r\n{}\r\n0\r",
            b"\n\r\n",
        ],
        [
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nmcp-session-id: s7\r\n\r\n",
            chunk(b'data: {"method":"ping","a":1}') + chunk(b"\n\nevent: message\ndata: {     }\n"),
            chunk(b"\n"),
            b"0\r\n\r\n",
        ],
    ],
    ids=["a length, in parts", "chunks", "a stream with a request before the answer"],
)
def test_an_answer_is_whole_however_it_is_cut(
    peers: Any, parts: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = socket.socketpair()
    with here, there:
        here.settimeout(SECONDS)
        connection = peers.sockets.Connection("http://127.0.0.1:1/mcp", {})
        monkeypatch.setattr(connection, "_socket", here)
        for part in parts[:-1]:
            there.sendall(part)
            assert connection.feed() is None
        there.sendall(parts[-1])
        assert json.loads(connection.feed()) == {}
        assert connection.session == "s7"


def test_an_answer_that_refuses_is_a_failure_that_says_why(
    peers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = socket.socketpair()
    with here, there:
        connection = peers.sockets.Connection("http://127.0.0.1:1/mcp", {})
        monkeypatch.setattr(connection, "_socket", here)
        there.sendall(b"HTTP/1.1 429 Too Many\r\nContent-Length: 4\r\n\r\nslow")
        with pytest.raises(peers.client.Failed, match="HTTP 429: slow"):
            connection.feed()


def test_a_kept_connection_that_has_ended_is_replaced_and_the_request_sent_again(peers: Any) -> None:
    """As Node.js and uvicorn end connections that rest; the first answer of a new connection ends it, too."""
    answers = iter([b"{}", b'{"again":1}'])
    with socket.create_server(("127.0.0.1", 0)) as door:
        door.settimeout(SECONDS)

        def serve() -> None:
            for answer in answers:
                with door.accept()[0] as one:
                    one.settimeout(SECONDS)
                    while not one.recv(4096).endswith(b"ask"):
                        pass
                    one.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))

        thread = threading.Thread(target=serve)
        thread.start()
        connection = peers.sockets.Connection(f"http://127.0.0.1:{door.getsockname()[1]}/mcp", {})
        assert connection.exchange(b"ask") == b"{}"
        assert connection.exchange(b"ask") == b'{"again":1}'
        connection.close()
        thread.join(SECONDS)
