"""Programs that are there, and those that are not, each said apart."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from callmux.upstream.links.program import LONGEST_PATH, find_program, missing_program

pytestmark = pytest.mark.skipif(os.name != "posix", reason="modes are POSIX")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in (
        "bin/good",
        "bin/noisy.py",
        "home/.nvm/versions/node/v20.1.0/bin/node",
        "here.py",
        "home/.local/bin/uvx",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o644 if name.endswith(".py") else 0o755)
    (tmp_path / "a-directory").mkdir()
    return tmp_path


def why(place: Path, command: str) -> str:
    env = {"PATH": f"{place}/bin", "HOME": f"{place}/home"}
    assert find_program(command, env, str(place)) is None
    return missing_program(command, env, str(place)).replace(str(place), "@")


@pytest.mark.parametrize(("command", "found"), [("good", "bin/good"), ("./bin/good", "bin/good")])
def test_a_name_is_looked_up_on_the_path_and_a_path_from_the_servers_directory(
    command: str, found: str, place: Path
) -> None:
    assert find_program(command, {"PATH": f"{place}/bin"}, str(place)) == f"{place}/{found}"


@pytest.mark.parametrize(
    "path", ["@/bin", "@/none:@/bin", ":@/bin", "@/bin:", "@", "@/home", "", "@/bin/good"]
)
@pytest.mark.parametrize("command", ["good", "a-directory", "bin", "zzz-nowhere"])
def test_a_name_means_what_the_standard_library_makes_of_it(
    path: str, command: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place / "bin")
    env = {"PATH": path.replace("@", str(place))}
    assert find_program(command, env) == shutil.which(command, path=env["PATH"])


def test_a_path_counts_from_our_directory_where_the_server_has_none(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    assert find_program("bin/good", {}) == str(place / "bin" / "good")


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("./gone", 'command "./gone" does not exist'),
        ("./a-directory", 'command "./a-directory" is a directory (@/a-directory), not a program'),
        ("a-directory", 'command "a-directory" is a directory (@/a-directory), not a program'),
        (
            "noisy.py",
            'command "noisy.py" exists (@/bin/noisy.py) but is not executable: run "chmod +x @/bin/noisy.py",'
            ' or write "python3" as the command and @/bin/noisy.py as its argument',
        ),
        (
            "here.py",
            'command "here.py" exists (@/here.py) but is not executable: run "chmod +x @/here.py", or'
            ' write "python3" as the command and @/here.py as its argument',
        ),
        (
            "good -m mod",
            'command "good -m mod" is a whole command line: write "good" as the command,'
            " and the rest as args",
        ),
        (
            "node",
            'command "node" was not found on PATH (searched: @/bin). It is at'
            " @/home/.nvm/versions/node/v20.1.0/bin/node: write that path as the command, or add"
            " @/home/.nvm/versions/node/v20.1.0/bin to PATH",
        ),
        ("zzz-nowhere", 'command "zzz-nowhere" was not found on PATH (searched: @/bin)'),
    ],
)
def test_each_reason_is_said_apart(command: str, reason: str, place: Path) -> None:
    assert why(place, command) == reason


def test_what_is_in_the_directory_and_not_on_the_path_is_named(place: Path) -> None:
    (place / "run").write_text("")
    (place / "run").chmod(0o755)
    assert why(place, "run").endswith('It is a file in @: write "./run"')
    assert "~" not in why(place, "uvx")
    assert "@/home/.local/bin/uvx" in why(place, "uvx")


def test_a_long_path_is_cut_and_an_empty_one_said() -> None:
    long = missing_program("zzz-nowhere", {"PATH": ":".join(f"/folder/{n}" for n in range(200))})
    assert len(long) < LONGEST_PATH + 100
    assert missing_program("zzz-nowhere", {"PATH": ""}).endswith("(searched: nothing, PATH is empty)")
