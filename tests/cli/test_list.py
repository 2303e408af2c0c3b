"""callmux list"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from callmux.cli.main import main

NOTES = f"{sys.executable} -m callmux.demo.servers.notes"


def test_it_lists_what_tools_list_lists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    shown = []
    for words in (["list"], ["tools", "list"]):
        assert main([*words, "--stdio", NOTES, "--json"]) == 0
        shown.append(json.loads(capsys.readouterr().out))
    assert shown[0] == shown[1]
    assert "read_note" in [tool["name"] for tool in shown[0]["tools"]]
