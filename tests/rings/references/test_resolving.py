"""References of a call become plain JSON, or one error; who may read what; and what happens meanwhile."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from pathlib import Path
from typing import Any

import pytest
from msgspec import Raw

from callmux.context import Directory
from callmux.errors import ArgumentResolutionFailed
from callmux.plan import ToolCall
from callmux.rings.call import Call
from callmux.rings.references import recognition, resolving
from callmux.rings.references.files import MOST_BYTES
from callmux.rings.references.resolving import READS, References
from tests.support import context, planned, real_loop, run, until


def call(arguments: Any, **asked: Any) -> Call:
    raw = Raw(json.dumps(arguments).encode())
    deadline = asyncio.get_running_loop().time() + asked.pop("seconds", 20)
    return planned(
        server="s",
        method="tools/call",
        target="t",
        asked=ToolCall(spelling="s__t", arguments=raw, **asked),
        arguments=raw,
        seconds=20,
        deadline=deadline,
    )


async def aresolve(references: References, arguments: Any, around: Any = None, **asked: Any) -> Any:
    planned = call(arguments, **asked)
    raw = bytes(planned.arguments or b"")
    return json.loads(await references.resolve(planned, raw, around or context()))


def resolve(arguments: Any, roots: list[str] | None = None, around: Any = None, **asked: Any) -> Any:
    async def work() -> Any:
        return await aresolve(References(roots), arguments, around, **asked)

    return run(work())


def refused(arguments: Any, roots: list[str] | None = None, around: Any = None, **asked: Any) -> Any:
    with pytest.raises(ArgumentResolutionFailed) as caught:
        resolve(arguments, roots, around, **asked)
    return caught.value


def test_files_and_texts_together(tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text("line\n")
    (tmp_path / "j.json").write_text('{"a": [1, {"b": null}]}')
    (tmp_path / "y.yaml").write_text("on: yes\n")
    assert resolve(
        {
            "f": [{"$file": f"{tmp_path}/t.txt"}] * 2,
            "j": {"$jsonFile": f"{tmp_path}/j.json"},
            "y": {"deep": {"$yamlFile": f"{tmp_path}/y.yaml"}},
            "t": {"$text": "x"},
            "n": 5,
        }
    ) == {"f": ["line\n"] * 2, "j": {"a": [1, {"b": None}]}, "y": {"deep": {"on": "yes"}}, "t": "x", "n": 5}


@real_loop()
async def test_arguments_without_references_are_the_same_object() -> None:
    raw = b'{"a": "$file"}'
    assert await References().resolve(call({}), raw, context()) is raw


def test_the_whole_arguments_may_be_one_reference(tmp_path: Path) -> None:
    (tmp_path / "all.json").write_text('{"a": 1}')
    assert resolve({"$jsonFile": str(tmp_path / "all.json")}) == {"a": 1}
    assert resolve({"$text": "x"}) == "x"


def test_what_a_file_says_is_not_read_again(tmp_path: Path) -> None:
    (tmp_path / "r").write_text('{"$file": "/etc/hostname"}')
    inner = {"$file": "/etc/hostname"}
    assert resolve({"a": {"$jsonFile": f"{tmp_path}/r"}, "b": {"$yamlFile": f"{tmp_path}/r"}}) == {
        "a": inner,
        "b": inner,
    }
    assert resolve({"a": {"$file": f"{tmp_path}/r"}}) == {"a": '{"$file": "/etc/hostname"}'}


def test_an_error_names_tool_and_place() -> None:
    error = refused({"a": [{"b": {"$file": "/none/at/all"}}]})
    assert error.code == "argument_resolution_failed"
    assert error.details == {"tool": "s__t"}
    assert error.message.startswith('arguments.a[0].b: $file "/none/at/all"')
    assert refused({"a": {"$text": 5}}, server="s").details == {"tool": "s__t", "server": "s"}


def test_relative_paths_start_from_the_calls_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W26: the call's own directory, else its session's, else where callmux runs."""
    for name in ("call", "session", "process"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "t").write_text(name)
    monkeypatch.chdir(tmp_path / "process")
    arguments = {"a": {"$file": "t"}}

    async def find() -> Directory:
        return Directory(str(tmp_path / "session"))

    around = context(find_cwd=find)
    assert resolve(arguments, around=around, cwd=str(tmp_path / "call")) == {"a": "call"}
    assert resolve(arguments, around=around) == {"a": "session"}
    assert resolve(arguments) == {"a": "process"}


def test_nobody_else_names_files_unless_roots_allow_it(tmp_path: Path) -> None:
    """A client of a listener is not the user of this machine."""
    (tmp_path / "t").write_text("x")
    far = context(remote=True)
    arguments = {"a": {"$file": str(tmp_path / "t")}, "b": {"$text": "y"}}
    assert "arguments.a: $file is disabled for listener calls" in refused(arguments, around=far).message
    assert resolve({"b": {"$text": "y"}}, around=far) == {"b": "y"}
    assert resolve(arguments, [str(tmp_path)], far) == {"a": "x", "b": "y"}
    assert "outside" in refused({"a": {"$file": "/etc/passwd"}}, [str(tmp_path)], far).message
    assert "outside" in refused({"a": {"$file": "/etc/passwd"}}, [str(tmp_path)]).message


def test_an_empty_list_of_roots_switches_file_references_off(tmp_path: Path) -> None:
    """W26: text copied into an argument could name any readable file. In stdio mode, too."""
    (tmp_path / "t").write_text("x")
    arguments = {"a": {"$file": str(tmp_path / "t")}}
    assert resolve(arguments) == {"a": "x"}
    assert "outside" in refused(arguments, []).message
    assert "outside" in refused({"a": json.dumps(arguments["a"])}, []).message


def test_a_missing_root_is_reported_and_not_fatal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """W26: it kept callmux from starting."""
    (tmp_path / "t").write_text("x")
    with caplog.at_level(logging.WARNING):
        assert resolve({"a": {"$file": "t"}}, [str(tmp_path / "gone"), str(tmp_path)], cwd=str(tmp_path)) == {
            "a": "x"
        }
    assert f'there is no directory "{tmp_path}/gone"' in caplog.text


def test_what_came_from_a_server_is_not_resolved(tmp_path: Path) -> None:
    (tmp_path / "t").write_text("x")
    reference = {"$file": str(tmp_path / "t")}
    assert resolve({"a": reference, "b": reference}, opaque=frozenset({"b"})) == {"a": "x", "b": reference}


def test_files_that_turn_out_larger_count_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some report a size of 0."""
    monkeypatch.setattr(resolving, "MOST_BYTES", 5)
    (tmp_path / "t").write_text("0123456789")
    assert "exceed 5 bytes together" in refused({"a": {"$file": str(tmp_path / "t")}}).message


class Gate:
    """Holds every read back until it is opened, and counts those that wait."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.waiting = 0
        self.most = 0
        self.stopped = 0
        self._open = threading.Event()
        self._lock = threading.Lock()
        monkeypatch.setattr(resolving, "load", self._load)

    def open(self) -> None:
        self._open.set()

    def _load(self, source: Any, stopped: Any) -> tuple[int, dict[str, bytes]]:
        with self._lock:
            self.waiting += 1
            self.most = max(self.most, self.waiting)
        while not self._open.wait(0.005):
            if stopped():
                self.stopped += 1
                break
        with self._lock:
            self.waiting -= 1
        return 1, {"$file": b'"x"'}


def _files(folder: Path, count: int) -> dict[str, Any]:
    for n in range(count):
        (folder / str(n)).write_text(str(n))
    return {"a": [{"$file": str(folder / str(n))} for n in range(count)]}


def test_four_reads_at_a_time_over_all_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """W30: children of a fan-out each had their own four."""
    gate = Gate(monkeypatch)
    arguments = _files(tmp_path, 6)

    async def work() -> None:
        references = References()
        calls = [asyncio.ensure_future(aresolve(references, arguments)) for _ in range(2)]
        await until(lambda: gate.waiting == 4)
        gate.open()
        assert await asyncio.gather(*calls) == [{"a": ["x"] * 6}] * 2

    run(work())
    assert gate.most == 4


@real_loop()
async def test_a_cancelled_call_ends_at_once_and_stops_its_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(monkeypatch)

    references = References()
    task = asyncio.ensure_future(aresolve(references, _files(tmp_path, 2)))
    await until(lambda: gate.waiting == 2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: gate.stopped == 2)
    gate.open()
    assert await aresolve(references, _files(tmp_path, 6)) == {"a": ["x"] * 6}


def test_reading_ends_with_the_calls_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file on a network drive may never come."""
    gate = Gate(monkeypatch)
    error = refused(_files(tmp_path, 1), seconds=0.05)
    gate.open()
    assert "in the time the call has" in error.message


def test_one_bad_file_fails_the_call_and_ends_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bad").write_text("{")
    (tmp_path / "good").write_text("{}")
    arguments = {"a": {"$jsonFile": str(tmp_path / "good")}, "b": {"$jsonFile": str(tmp_path / "bad")}}
    assert refused(arguments).message.startswith("arguments.b")


def test_the_example_of_the_documentation(tmp_path: Path) -> None:
    """docs/file-references.md: the first JSON block becomes the second."""
    text = (Path(__file__).parents[3] / "docs" / "file-references.md").read_text("utf-8")
    written, arrives = (json.loads(block.split("```")[0]) for block in text.split("```json\n")[1:3])
    (tmp_path / "notes.md").write_text("two\nlines\n")
    (tmp_path / "data.json").write_text('{"id": 7}')
    (tmp_path / "data.yaml").write_text("on: yes\n")
    assert resolve(written, cwd=str(tmp_path)) == arrives


def test_the_limits_of_the_documentation() -> None:
    text = (Path(__file__).parents[3] / "docs" / "file-references.md").read_text("utf-8")
    for limit in (recognition.MOST_FILES, recognition.DEFAULT_BYTES, recognition.LARGEST_FILE, MOST_BYTES):
        assert f"{limit:,}" in text
    assert f"| {READS} |" in text
    assert f"| {recognition.DEEPEST} |" in text
