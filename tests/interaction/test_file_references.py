"""Whose files may be named: the only client's own, and nobody's over the network."""

from __future__ import annotations

from pathlib import Path

import pytest

from .bench import bench, interaction
from .raw_server import RawServer


@pytest.mark.parametrize("single", [True, False])
@interaction("tools.call")
async def test_only_the_user_of_this_machine_names_files(single: bool, tmp_path: Path) -> None:
    """A listener has sessions of many; without `fileReferenceRoots` it reads no file for any of them."""
    (tmp_path / "t").write_text("secret")
    server = RawServer().lists("tools", b'{"name":"a"}')
    async with bench(server, single=single, tmp_path=tmp_path) as b:
        client = await b.greeted()
        answer = await client.call("a", {"x": {"$file": str(tmp_path / "t")}})
        assert ("is disabled for listener calls" in str(answer)) == (not single)
