"""From references to values: each kind, and what is said where there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from callmux.config.references import Reference
from callmux.errors import SecretError
from callmux.secrets.resolving import is_slow, resolve, values_of
from callmux.secrets.vault import vault_of


def around(tmp_path: Path, **more: str) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path / "state"), "PATH": os.environ["PATH"], **more}


def test_each_kind_of_reference_gives_its_value(tmp_path: Path) -> None:
    env = around(tmp_path, TOKEN="of the variable")
    (tmp_path / "token").write_text("of the file\n")
    vault_of(env).set("gh", "of the keyring")
    assert resolve("env:TOKEN", tmp_path, env) == "of the variable"
    assert resolve("file:token", tmp_path, env) == "of the file"
    assert resolve("keyring:gh", tmp_path, env) == "of the keyring"
    assert resolve("cmd:echo of the command", tmp_path, env) == "of the command"


@pytest.mark.parametrize("reference", ["keyring:", "cmd: ", "vault:x", "x"])
def test_anything_else_is_refused(tmp_path: Path, reference: str) -> None:
    with pytest.raises(SecretError, match="supported secret refs"):
        resolve(reference, tmp_path, {})


def test_texts_and_values_make_one_value(tmp_path: Path) -> None:
    env = around(tmp_path, U="al")
    template = ("Basic ", Reference("env", "U"), ":", Reference("cmd", "echo pw"))
    assert values_of({"headers.A": template}, tmp_path, env) == {"headers.A": ("Basic al:pw", ["al", "pw"])}


def test_an_error_names_the_field_the_reason_and_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(SecretError) as caught:
        values_of({"env.A": (Reference("env", "NO"),)}, tmp_path, {})
    assert caught.value.message == (
        'env.A: references missing or empty environment variable "NO". If the text itself is meant, write'
        ' "literal:env:..."'
    )
    with pytest.raises(SecretError) as caught:
        values_of({"headers.A": ("Bearer ", Reference("cmd", "false"))}, tmp_path, around(tmp_path))
    assert caught.value.message == (
        'headers.A: the command "false" failed with exit code 1: run it in a terminal to see why'
    )


def test_a_header_cannot_have_several_lines(tmp_path: Path) -> None:
    with pytest.raises(SecretError, match="several lines") as caught:
        values_of({"headers.A": (Reference("env", "A"),)}, tmp_path, {"A": "x\nEvil: y"})
    assert "Evil" not in caught.value.message
    assert values_of({"env.A": (Reference("env", "A"),)}, tmp_path, {"A": "x\ny"})["env.A"][0] == "x\ny"


@pytest.mark.parametrize("mark", ["\x01", "\x0b", "\x1b", "\x7f"])
def test_a_header_cannot_have_control_characters(tmp_path: Path, mark: str) -> None:
    with pytest.raises(SecretError, match="control character") as caught:
        values_of({"headers.A": (Reference("env", "A"),)}, tmp_path, {"A": f"hunter2{mark}"})
    assert "hunter2" not in caught.value.message
    assert (
        values_of({"headers.A": (Reference("env", "A"),)}, tmp_path, {"A": "x\ty"})["headers.A"][0] == "x\ty"
    )


def test_a_directory_is_no_secret_and_the_text_means_itself(tmp_path: Path) -> None:
    """As in `npx file:../server`."""
    (tmp_path / "server").mkdir()
    assert values_of({"args[1]": (Reference("file", "server"),)}, tmp_path, {}) == {
        "args[1]": ("file:server", [])
    }


def test_keyrings_and_commands_take_their_time() -> None:
    assert is_slow(("x", Reference("cmd", "y")))
    assert is_slow((Reference("keyring", "y"),))
    assert not is_slow(("cmd:x", Reference("file", "y"), Reference("env", "y")))
