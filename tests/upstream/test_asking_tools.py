"""That a tool asks its client is known in the next process, too."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.upstream.asking_tools import MOST, AskingTools
from tests.support import real_loop, until


@real_loop()
async def test_what_was_noted_is_there_in_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "state" / "asking.json"
    tools = AskingTools(path)
    tools.note(["b", "a"])
    await until(path.exists, "the file")
    tools.note(["c"])
    await until(lambda: AskingTools(path).names == {"a", "b", "c"}, "both")
    assert repr(AskingTools(path)) == "AskingTools(['a', 'b', 'c'])"


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b"[1]"])
def test_a_file_that_cannot_be_read_says_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "asking.json"
    path.write_bytes(content)
    assert AskingTools(path).names == set()


@real_loop()
async def test_where_it_cannot_be_kept_it_holds_for_this_process(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    tools = AskingTools(tmp_path / "file" / "asking.json")
    tools.note(["a"])
    await until(lambda: not len(tools._tasks), "the attempt")
    assert tools.names == {"a"}


def test_there_is_a_bound() -> None:
    tools = AskingTools()
    tools.note(map(str, range(MOST + 5)))
    assert len(tools.names) == MOST
