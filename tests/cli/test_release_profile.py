"""What a release profile begins with, and the hash that it makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.cli.grammar.init import PROFILES
from callmux.cli.release_profile import HASH_FILE, keys_of, make_token
from callmux.config.check import check_document


@pytest.mark.parametrize("profile", PROFILES)
def test_the_keys_of_each_profile_are_known(profile: str) -> None:
    checked = check_document({"servers": {}, **keys_of(profile)})
    assert checked.errors == checked.warnings == []


def test_only_profiles_with_tokens_make_one_and_none_is_made_twice(tmp_path: Path) -> None:
    config = tmp_path / "c.json"
    assert make_token(config, "dev") is None
    assert not (tmp_path / HASH_FILE).exists()
    first = make_token(config, "prod")
    assert first is not None
    assert make_token(config, "prod") is None
