"""Secrets that stand in a configuration become references, and the file keeps everything else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callmux.cli.secret_move import known_values, move, offer, planned
from callmux.config.load import load_config
from callmux.errors import SecretError
from callmux.secrets.vault import Vault

TEXT = """{
  // keep this comment
  "servers": {
    "gh": {
      "command": "gh-mcp",
      "args": ["--api-key", "s3cret-arg-1", "--verbose"],
      "env": {
        "GITHUB_TOKEN": "s3cret-env-1", "MODE": "fast", "OTHER_TOKEN": "env:OTHER", "REF_TOKEN": "${REF}"
      }
    },
    "far": {
      "url": "https://far.example/mcp?api_key=s3cret-query-1",
      "headers": { "Authorization": "Bearer s3cret-header-1", "X-Kind": "a" }
    },
    "fine": { "command": "x", "env": { "A_TOKEN": "keyring:a" } }
  }
}
"""


@pytest.fixture
def place(tmp_path: Path) -> tuple[Path, Vault]:
    path = tmp_path / "c.json"
    path.write_text(TEXT)
    path.chmod(0o600)
    return path, Vault(tmp_path / "secrets")


def test_every_secret_is_moved_and_the_file_loads_and_means_the_same(place: tuple[Path, Vault]) -> None:
    path, vault = place
    found = planned(path, vault)
    assert found.places == ["gh: env.GITHUB_TOKEN", "gh: args", "far: headers.Authorization", "far: url"]
    assert vault.names() == {}
    assert move(path, vault).places == found.places
    text = path.read_text()
    assert "s3cret" not in text
    assert "// keep this comment" in text
    loaded = load_config(path, {"OTHER": "o", "REF": "r"})
    servers: dict[str, Any] = loaded.config.servers
    assert servers["gh"].env["GITHUB_TOKEN"] == "keyring:gh-GITHUB_TOKEN"
    assert servers["gh"].env["OTHER_TOKEN"] == "env:OTHER"
    assert servers["gh"].args == ("--api-key", "${keyring:gh-arg2}", "--verbose")
    assert servers["far"].headers["Authorization"] == "Bearer ${keyring:far-Authorization}"
    assert set(servers["far"].templates) == {"url", "headers.Authorization"}
    assert {vault.get(name) for name in vault.names()} == {
        "s3cret-env-1",
        "s3cret-arg-1",
        "s3cret-header-1",
        "https://far.example/mcp?api_key=s3cret-query-1",
    }
    assert planned(path, vault).places == []


def test_only_the_named_servers_are_looked_at(place: tuple[Path, Vault]) -> None:
    path, vault = place
    assert {line.split(":")[0] for line in planned(path, vault, ["far"]).places} == {"far"}
    move(path, vault, ["far"])
    assert "s3cret-env-1" in path.read_text()


def test_a_secret_of_that_name_is_not_overwritten(place: tuple[Path, Vault]) -> None:
    path, vault = place
    vault.set("gh-GITHUB_TOKEN", "another")
    move(path, vault)
    assert vault.get("gh-GITHUB_TOKEN") == "another"
    assert vault.get("gh-GITHUB_TOKEN_2") == "s3cret-env-1"


def test_a_vault_that_refuses_leaves_the_file_as_it_was(
    place: tuple[Path, Vault], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, vault = place

    def refuse(name: str, value: str) -> None:
        raise SecretError("no")

    monkeypatch.setattr(vault, "set", refuse)
    with pytest.raises(SecretError):
        move(path, vault)
    assert path.read_text() == TEXT


def test_who_is_asked_and_says_no_is_told_how_to_do_it_later(place: tuple[Path, Vault]) -> None:
    path, vault = place
    questions: list[str] = []

    def refuse(question: str) -> bool:
        questions.append(question)
        return False

    said = offer(path, vault, refuse)
    assert '"callmux secret move" moves them later' in said[0]
    assert path.read_text() == TEXT
    assert "gh: env.GITHUB_TOKEN" in questions[0]
    assert "s3cret" not in questions[0]
    said = offer(path, vault, lambda question: True)
    assert "Moved: gh: env.GITHUB_TOKEN" in said
    assert "c.json.bak: remove it" in said[-1]
    assert offer(path, vault, lambda question: False) == []


def test_a_secret_that_cannot_be_read_is_nobodys_name(
    place: tuple[Path, Vault], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, vault = place
    vault.set("a", "x")
    (vault._values / "a").write_bytes(b"\xff")
    assert known_values(vault) == {"a": ""}


def test_yaml_is_changed_too(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    path.write_text("# mine\nservers:\n  gh:\n    command: x\n    env:\n      A_TOKEN: s3cret-yaml-1\n")
    move(path, Vault(tmp_path / "s"))
    assert "# mine" in path.read_text()
    assert "keyring:gh-A_TOKEN" in path.read_text()
