"""Which token goes to a listener."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.bridge import credentials
from callmux.bridge.credentials import Token, find_token, given_token, keep_token, kept_for, token_path
from callmux.bridge.endpoint import read_endpoint
from callmux.errors import UsageError

HERE = read_endpoint("http://127.0.0.1:4860/mcp")


def keep(home: Path, token: str, origin: str | None = None) -> None:
    folder = home / ".config" / "callmux"
    folder.mkdir(parents=True)
    (folder / "cli-token").write_text(token)
    if origin is not None:
        (folder / "cli-token.origin").write_text(origin)


def value(token: Token | None) -> str | None:
    return None if token is None else token.value


def test_the_first_source_that_has_one_counts(tmp_path: Path) -> None:
    """Environment, option, file, the kept one, none; each trimmed."""
    keep(tmp_path, "kept\n")
    file = tmp_path / "file"
    file.write_text(" filed \n")
    env = {"CALLMUX_TOKEN": " env "}
    assert value(find_token(HERE, env, tmp_path, "option", str(file))) == "env"
    assert value(find_token(HERE, {"CALLMUX_TOKEN": " "}, tmp_path, " option ", str(file))) == "option"
    assert value(find_token(HERE, {}, tmp_path, " ", str(file))) == "filed"
    assert value(find_token(HERE, {}, tmp_path, None, None)) == "kept"
    assert find_token(HERE, {}, tmp_path / "nobody", None, None) is None


def test_a_file_that_is_named_must_hold_one(tmp_path: Path) -> None:
    (tmp_path / "blank").write_text("\n")
    for name in ("blank", "missing"):
        with pytest.raises(UsageError, match="did not contain a non-empty token"):
            find_token(HERE, {}, tmp_path, None, str(tmp_path / name))
    assert value(find_token(HERE, {}, tmp_path, "x", str(tmp_path / "missing"))) == "x"


def test_a_kept_token_goes_to_its_own_listener_only(tmp_path: Path) -> None:
    keep(tmp_path, "kept", "http://127.0.0.1:4860\n")
    assert value(find_token(HERE, {}, tmp_path, None, None)) == "kept"
    assert find_token(read_endpoint("http://evil.example/mcp"), {}, tmp_path, None, None) is None


def test_a_kept_token_that_cannot_be_read_is_an_error_and_a_blank_one_is_none(tmp_path: Path) -> None:
    keep(tmp_path, " ")
    assert find_token(HERE, {}, tmp_path, None, None) is None
    (tmp_path / ".config/callmux/cli-token").write_bytes(b"\xff")
    with pytest.raises(UsageError, match="cannot be read"):
        find_token(HERE, {}, tmp_path, None, None)


def test_a_token_no_header_can_carry_is_refused_without_showing_it(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_token(HERE, {}, tmp_path, "geh\neim", None)
    assert "geh" not in caught.value.message
    assert "geheim" not in repr(find_token(HERE, {}, tmp_path, "geheim", None))


def test_a_token_of_nobody_knows_whom_stays_on_this_machine(tmp_path: Path) -> None:
    """callmux (npm) keeps no word of whose it is. Weak spot C9 of callmux (npm)."""
    keep(tmp_path, "kept")
    assert value(find_token(HERE, {}, tmp_path, None, None)) == "kept"
    assert find_token(read_endpoint("https://mux.example/mcp"), {}, tmp_path, None, None) is None
    assert kept_for(tmp_path) is None


def test_a_token_is_kept_for_its_owner_and_for_its_listener_only(tmp_path: Path) -> None:
    keep(tmp_path, "old", "http://old.example:80\n")
    folder = tmp_path / ".config" / "callmux"
    (folder / "cli-token").chmod(0o644)
    path = keep_token(tmp_path, HERE, "new")
    assert path.read_text() == "new\n"
    assert {file.name: file.stat().st_mode & 0o777 for file in folder.iterdir()} == {
        "cli-token": 0o600,
        "cli-token.origin": 0o600,
    }
    assert kept_for(tmp_path) == "http://127.0.0.1:4860"
    assert value(find_token(HERE, {}, tmp_path, None, None)) == "new"


def test_no_token_ever_stands_beside_the_origin_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever ends the process half-way. Weak spot C9 of callmux (npm)."""
    keep(tmp_path, "old", "http://old.example:80\n")
    real, calls = credentials._write, []

    def write(path: Path, text: str) -> None:
        calls.append(path.name)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(path, text)

    monkeypatch.setattr(credentials, "_write", write)
    with pytest.raises(UsageError, match=r"cannot be kept in .*: No space left on device"):
        keep_token(tmp_path, HERE, "new")
    assert not token_path(tmp_path).exists()
    assert kept_for(tmp_path) is None


def test_a_token_file_that_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    """Weak spot C9 of callmux (npm)."""
    with pytest.raises(UsageError, match="it does not exist"):
        given_token(None, str(tmp_path / "none"))
    (tmp_path / "blank").write_text("\n")
    with pytest.raises(UsageError, match="it is empty"):
        given_token(" ", str(tmp_path / "blank"))
    assert given_token(None, None) is None
