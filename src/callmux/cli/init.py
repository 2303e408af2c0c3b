"""`callmux init [--force] [--preset NAME] [--profile NAME]`: writes a new configuration and its schema.

Called by `callmux.cli.main`; `setup` and `migrate` take the schema from here. With `--force` an existing file
is replaced, whatever it holds, and kept as `.bak`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from callmux.cli.console import print_lines
from callmux.cli.grammar.init import COMMANDS
from callmux.cli.parsing import read
from callmux.cli.saving import save_text
from callmux.config.load import target_config
from callmux.config.notation import write
from callmux.config.presets import lines
from callmux.errors import CallmuxError, UsageError
from callmux.setup.settings import beginning

OFFER = 'Recommended for agents, for the least context: "preset": "lean" (callmux init --preset lean)'


def run(args: list[str], config_option: str | None) -> int:
    """Gives the exit code."""
    given = read(COMMANDS[0], args)
    force, profile, preset = given.on("--force"), given.text("--profile"), given.text("--preset")
    path = target_config(config_option, os.environ, Path.home())
    existed = os.path.lexists(path)
    if path.exists() and not force:
        raise UsageError(f"Config already exists at {path}. Use --force to replace it (it is kept as .bak)")
    write_schema(path)
    document = empty_document(path, preset)
    if profile is None:
        save_text(path, write(str(path), document))
        print(f"{'Replaced' if existed else 'Created'} {path}")
        print_lines(lines(document) if preset else [OFFER])
        return 0
    from callmux.cli.release_profile import HASH_FILE, TOKEN_ID, keys_of, make_token

    token = make_token(path, profile)
    try:
        save_text(path, write(str(path), document | keys_of(profile)))
    except CallmuxError:
        if token is not None:
            # Nobody has seen the token: its hash is of no use.
            (path.parent / HASH_FILE).unlink()
        raise
    print(f"{'Replaced' if existed else 'Created'} {path} (profile {profile})")
    print_lines(lines(document))
    if token is not None:
        print(f"Token of {TOKEN_ID}, shown this once: {token}")
        print(f"Its hash is in {path.parent / HASH_FILE}")
    elif "auth" in keys_of(profile):
        print(f"The token is the one whose hash is in {path.parent / HASH_FILE} already")
    print(f"Next: add servers (callmux server add), then callmux doctor --config {path}")
    return 0


def empty_document(path: Path, preset: str | None = None) -> dict[str, Any]:
    """What a new configuration file at `path` holds."""
    return beginning(schema_file(path).name, preset)


def schema_file(path: Path) -> Path:
    """Where the schema of a configuration at `path` is: `config.schema.json` beside `config.json`."""
    return path.with_name(f"{path.stem}.schema.json")


def schema_text() -> str:
    """The schema, as it is written beside a configuration."""
    from callmux.cli.console import pretty_json
    from callmux.config.schema import config_schema

    return pretty_json(config_schema()) + "\n"


def write_schema(path: Path) -> None:
    """Writes the schema beside a configuration at `path`, unless it is there already as it should be.

    Raises:
        SaveFailed: It could not be written.
    """
    file, text = schema_file(path), schema_text()
    if not file.exists() or file.read_bytes() != text.encode():
        save_text(file, text, backup=False)
