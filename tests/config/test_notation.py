"""One door for both notations."""

from __future__ import annotations

import subprocess
import sys

import pytest

from callmux.config.notation import delete_value, is_yaml, parse, rename_key, set_value, write
from callmux.errors import ConfigError


@pytest.mark.parametrize("name", ["c.json", "c", "c.jsonc", "c.yaml.bak"])
def test_most_files_are_json(name: str) -> None:
    assert not is_yaml(name)
    text = '{\n  // kept\n  "a": 1,\n}\n'
    assert parse(name, text) == {"a": 1}
    assert set_value(name, text, ["a"], 2) == text.replace("1", "2")
    assert delete_value(name, text, ["a"]) == "{\n  // kept\n}\n"


@pytest.mark.parametrize("name", ["c.yaml", "/x/c.YML"])
def test_the_name_says_yaml(name: str) -> None:
    assert is_yaml(name)
    text = "# kept\na: 1\nb: yes\n"
    assert parse(name, text) == {"a": 1, "b": "yes"}
    assert set_value(name, text, ["a"], 2) == text.replace("1", "2")
    assert delete_value(name, text, ["b"]) == "# kept\na: 1\n"


@pytest.mark.parametrize("name", ["c.json", "c.yaml"])
def test_a_new_file(name: str) -> None:
    document = {"$schema": "https://x", "servers": {}, "n": 1, "s": {"a": {"command": "x"}}}
    text = write(name, document)
    assert parse(name, text) == document
    assert text.endswith("\n")


@pytest.mark.parametrize(("name", "text"), [("c.json", "{"), ("c.yaml", "a: [")])
def test_a_failure_names_the_file(name: str, text: str) -> None:
    for work in (
        lambda: parse(name, text),
        lambda: set_value(name, text, ["a"], 1),
        lambda: delete_value(name, text, ["a"]),
    ):
        with pytest.raises(ConfigError, match=f"^{name}: invalid "):
            work()


def test_a_plain_json_file_needs_no_reader_of_text() -> None:
    """Every start of callmux reads one."""
    code = (
        "import sys, callmux.config.load; "
        "assert not {'callmux.config.json_text', 'callmux.config.yaml_text', 'callmux.yaml'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


@pytest.mark.parametrize(
    ("name", "text", "changed"),
    [
        ("c.json", '{\n  // kept\n  "a": {"b": 1}\n}\n', '{\n  // kept\n  "a": {"c": 1}\n}\n'),
        ("c.yaml", "# kept\na:\n  b: 1\n", "# kept\na:\n  c: 1\n"),
    ],
)
def test_a_key_gets_another_name_and_every_other_byte_stays(name: str, text: str, changed: str) -> None:
    assert rename_key(name, text, ["a", "b"], "c") == changed
