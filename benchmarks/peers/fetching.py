"""Peers from PyPI and npm, each in a folder of its own in a cache.

Nothing of it touches the project's environment. A folder that is there and whole is not fetched again.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

NODE = "24.22.3"
FETCH_SECONDS = 900
READY = "ready"


class Missing(RuntimeError):
    """A product cannot be had here; the message says why."""


def from_pypi(cache: Path, package: str, version: str) -> Path:
    """The folder of a virtual environment with this package.

    Raises:
        Missing: It could not be installed.
    """
    folder = cache / f"{package}-{version}"
    pip = [str(folder / "bin" / "pip"), "install", "--quiet", f"{package}=={version}"]
    _fill(folder, package, [sys.executable, "-m", "venv", str(folder)], pip)
    return folder


def from_npm(cache: Path, package: str, version: str) -> Path:
    """The folder of this package, with what it needs beside it.

    Raises:
        Missing: It could not be installed.
    """
    folder = cache / f"{package.replace('/', '+')}-{version}"
    words = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts"]
    _fill(folder, package, [*words, f"{package}@{version}"])
    return folder / "node_modules" / package


def node(cache: Path) -> Path:
    """Node.js itself, the same for every product that needs it.

    Raises:
        Missing: There is none for this machine.
    """
    kind = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine())
    if sys.platform != "linux" or kind is None:
        raise Missing(f"no Node.js in npm for {sys.platform} on {platform.machine()}")
    return from_npm(cache, f"node-linux-{kind}", NODE) / "bin" / "node"


def go_kind() -> str:
    """What Go calls this machine."""
    kind = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    return f"{sys.platform}-{kind}"


def _fill(folder: Path, package: str, *commands: list[str]) -> None:
    """Fills a folder by these commands, unless it is whole already."""
    if (folder / READY).exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for words in commands:
        _run(words, package)
    (folder / READY).touch()


def _run(words: list[str], package: str) -> None:
    env = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    try:
        done = subprocess.run(
            words, env=env, capture_output=True, text=True, timeout=FETCH_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Missing(f"{package}: {error}") from None
    if done.returncode:
        raise Missing(f"{package}: {(done.stderr or done.stdout).strip()[-300:]}")
