"""docs/remote-servers.md: its commands, in their order, against a server that wants a sign-in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.oauth.scene import guarded

from .test_how_to import lacks
from .test_login import BROWSER

PAGE = (Path(__file__).parents[2] / "docs" / "remote-servers.md").read_text("utf-8")


def test_the_commands_of_the_page_say_what_it_shows(tmp_path: Path) -> None:
    blocks = re.findall(r"^```sh\n(.*?)^```(?:\n\n```text\n(.*?)^```)?", PAGE, re.DOTALL | re.MULTILINE)
    assert len(blocks) == PAGE.count("```sh")
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "callmux").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m callmux "$@"\n')
    (programs / "callmux").chmod(0o755)
    browser = tmp_path / "browser.py"
    browser.write_text(BROWSER)
    env = {key: value for key, value in os.environ.items() if not key.startswith(("CALLMUX", "XDG", "SSH"))}
    env |= {"HOME": str(tmp_path), "PATH": f"{programs}:{env['PATH']}"}
    env |= {"PYTHONPATH": os.pathsep.join(sys.path)}
    env |= {"BROWSER": f"{sys.executable} {browser} {tmp_path}/pages %s"}
    with guarded() as server:
        for commands, shown in blocks:
            done = subprocess.run(
                ["sh", "-ec", commands.replace("https://mcp.linear.app/mcp", server.url)],
                env=env,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=120,
                stdin=subprocess.DEVNULL,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            assert lacks(done.stdout, shown.splitlines()) == [], done.stdout
