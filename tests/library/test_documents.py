"""The programs of docs/python.md run as they stand there."""

from __future__ import annotations

import ast
import json
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import callmux
from tests.library.test_gateway import SERVER
from tests.live.test_listener import run_listener
from tests.support import free_port

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def ran(tmp_path: Path, program: str, **env: str) -> str:
    """What a program prints, with a `notes-server` on its path."""
    folder = tmp_path / "bin"
    folder.mkdir(exist_ok=True)
    script = folder / "notes-server"
    script.write_text(f"#!/bin/sh\nexec {' '.join(SERVER)}\n")
    script.chmod(0o755)
    (tmp_path / "callmux.json").write_text(json.dumps({"servers": {"notes": {"command": "notes-server"}}}))
    where = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(tmp_path), **env}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=where, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_names_of_the_page_are_there(tmp_path: Path) -> None:
    assert ran(tmp_path, BLOCKS[0]) == ""
    assert len(BLOCKS) == 5


def test_types_and_module_name_the_same() -> None:
    stub = ast.parse(Path(callmux.__file__).with_suffix(".pyi").read_text("utf-8"))
    imports = [node for node in stub.body if isinstance(node, ast.ImportFrom)]
    places = {str(name.asname): f"{node.module}.{name.name}" for node in imports for name in node.names}
    listed = next(node.value for node in stub.body if isinstance(node, ast.Assign))
    assert sorted(ast.literal_eval(listed)) == sorted(callmux.__all__) == sorted([*places, "__version__"])
    for name, place in places.items():
        assert getattr(callmux, name) is pkgutil.resolve_name(place), name


def test_calling_tools(tmp_path: Path) -> None:
    said = ran(tmp_path, BLOCKS[1])
    assert "add\n" in said
    assert 'False {"added": "milk"}' in said


def test_following_what_happens(tmp_path: Path) -> None:
    said = ran(tmp_path, BLOCKS[3])
    assert re.search(r"notes is up, with \d+ tools", said)
    assert "notes add ok" in said
    assert said.splitlines()[0] == "starting"
    assert said.splitlines()[-1] == "stopped"


def test_starting_a_listener(tmp_path: Path) -> None:
    said = ran(tmp_path, BLOCKS[2])
    assert re.search(r"for clients: http://127\.0\.0\.1:\d+/mcp", said)
    assert re.search(r"notes add ok \d+ ms", said)
    assert said.endswith("1\n")


@pytest.mark.filterwarnings("error")
def test_managing_a_listener_elsewhere(tmp_path: Path) -> None:
    port, token = free_port(), "manage-me-please-1"
    auth = {"mode": "bearer", "tokens": [{"id": "ops", "token": token}]}
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"servers": {}, "management": {"enabled": True, "auth": auth}}))
    (tmp_path / "bin").mkdir()
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    with run_listener(tmp_path, config, port, env={"PATH": path}):
        base = f"http://127.0.0.1:{port}/management/v1"
        said = ran(tmp_path, BLOCKS[4], MANAGEMENT_URL=base, MANAGEMENT_TOKEN=token)
    assert "more ['add', 'fail', 'wait']" in said
    assert 'server "nobody" not found' in said


def test_importing_callmux_costs_nothing(tmp_path: Path) -> None:
    program = (
        "import sys; before = set(sys.modules); import callmux; print(sorted(set(sys.modules) - before));"
        "assert callmux.__version__; assert callmux.Gateway is callmux.Gateway;"
        "assert callmux.facts.CallEnded"
    )
    loaded = ran(tmp_path, program).splitlines()[0]
    assert loaded == "['callmux']"
    with pytest.raises(AttributeError, match="has no attribute"):
        __import__("callmux").nonsense  # noqa: B018
