"""`callmux.config.locations`: directories and addresses of servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.config.locations import wrong_places


def _wrong(**servers: dict[str, Any]) -> list[str]:
    checked = check_document({"servers": servers})
    assert checked.errors == []
    return list(wrong_places(checked.config, "servers"))


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert _wrong(a={"command": "x", "cwd": str(gone)}) == [
        f'servers.a.cwd: the directory "{gone}" is not there'
    ]


def test_a_file_in_the_place_of_a_directory_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    assert _wrong(a={"command": "x", "cwd": str(file)}) == [
        f'servers.a.cwd: the directory "{file}" is not a directory'
    ]


def test_directories_that_exist_relative_ones_and_none_are_fine(tmp_path: Path) -> None:
    assert (
        _wrong(a={"command": "x", "cwd": str(tmp_path)}, b={"command": "x", "cwd": "rel"}, c={"command": "x"})
        == []
    )


@pytest.mark.parametrize("url", ["https://h/mcp", "HTTP://h:80/mcp", "http://[::1]:1/mcp", "http://u:p@h/"])
def test_addresses_of_http_are_fine(url: str) -> None:
    assert _wrong(a={"url": url}) == []


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("h/mcp", "must begin with http:// or https://"),
        ("ftp://h/mcp", "must begin with http:// or https://"),
        ("http:///mcp", "must name a host"),
        ("http://h:99999/mcp", "is not a valid URL"),
        ("http://[::1/mcp", "is not a valid URL"),
    ],
)
def test_what_is_no_address_of_http_is_named_with_the_reason(url: str, reason: str) -> None:
    (problem,) = _wrong(a={"url": url})
    assert problem.startswith(f"servers.a.url {reason}")


def test_a_disabled_server_is_passed_over() -> None:
    assert _wrong(a={"url": "nowhere", "disabled": True}) == []
