"""The table of clients' keys against the real programs: what they read themselves stands in it.

Looked into are the npm packages that `scripts/interop` fetches where `CALLMUX_REQUIRE_CLIENTS=1`. A newer
version of one of them that has another key, or writes its schema in another way, fails here.
"""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from callmux.clients.keys import KEYS

from .test_real_clients import program

MODULES = Path(__file__).parents[2] / ".cache" / "clients" / "node_modules"
FILES = Path(__file__).parents[1] / "clients" / "files"
SECONDS = 60.0


def names(kind: str) -> set[str]:
    return {key.name for key in KEYS[kind]}


def needed(pattern: str) -> list[Path]:
    """The files of a package.

    Raises:
        Skipped: It is not here.
    """
    found = sorted(MODULES.glob(pattern))
    if not found and os.environ.get("CALLMUX_REQUIRE_CLIENTS") == "1":
        pytest.fail(f"{pattern} is missing: run scripts/interop")
    if not found:
        pytest.skip(f"{pattern} is missing: run scripts/interop with CALLMUX_REQUIRE_CLIENTS=1")
    return found


def test_gemini_cli_has_no_other_keys() -> None:
    """Its own schema, which refuses others."""
    for path in needed("@google/gemini-cli/bundle/*.js"):
        text = path.read_text("utf-8", "replace")
        at = text.find("\n  MCPServerConfig: {")
        if at >= 0:
            break
    schema = text[at : text.index("\n  }", at)]
    assert "additionalProperties: false" in schema
    assert set(re.findall(r"^      (\w+): \{", schema, re.MULTILINE)) == names("gemini")


@pytest.mark.parametrize(
    "start",
    [
        rb'\{type:\w+\("stdio"\)\.optional\(\),command:.{0,900}?\}\)\)',
        rb'\{type:\w+\(\["http","streamable-http"\]\)\.transform\(\(\)=>"http"\),url:.{0,1200}?\}\)\.transform',
    ],
    ids=["command", "address"],
)
def test_claude_code_has_no_other_keys(start: bytes) -> None:
    """What it checks an entry against."""
    (path,) = needed("@anthropic-ai/claude-code-*/claude")
    found = re.search(start, path.read_bytes(), re.DOTALL)
    assert found is not None, "it writes its schema in another way: read it, and mend this pattern"
    keys = {key.decode() for key in re.findall(rb"[{,]([a-zA-Z_]+):", found[0])}
    assert {"type", "alwaysLoad", "role"} <= keys <= names("claude")


def test_codex_knows_every_key_of_our_file(tmp_path: Path) -> None:
    """It reads it in its strict mode, but for a key of older versions and one that it refuses."""
    codex = program("codex")
    home = tmp_path / "al"
    (home / ".codex").mkdir(parents=True)
    text = (FILES / "codex.toml").read_text().replace('experimental_environment = "build-box"\n', "")
    text = text[: text.index("[mcp_servers.stays-token]")]
    (home / ".codex" / "config.toml").write_text(text)

    def said() -> str:
        done = subprocess.run(
            [codex, "exec", "--strict-config", "hello"],
            cwd=home,
            env={"HOME": str(home), "PATH": os.environ["PATH"], "TERM": "dumb"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        return done.stderr

    assert "Error loading config.toml" not in said()
    (home / ".codex" / "config.toml").write_text(text.replace("omit_tools_from", "omit_tols_from"))
    assert "unknown configuration field" in said()
