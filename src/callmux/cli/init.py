"""`callmux init [--force]`: writes an empty configuration.

Called by `callmux.cli.main`. With `--force` an existing file is replaced, whatever it holds, and kept as
`.bak`.
"""

from __future__ import annotations

import os
from pathlib import Path

from callmux.cli.grammar.init import COMMANDS
from callmux.cli.parsing import read
from callmux.cli.saving import save_text
from callmux.config.load import target_config
from callmux.config.model import SCHEMA_URL, Config
from callmux.config.notation import write
from callmux.errors import UsageError


def run(args: list[str], config_option: str | None) -> int:
    """Gives the exit code."""
    force = read(COMMANDS[0], args).on("--force")
    path = target_config(config_option, os.environ, Path.home())
    existed = os.path.lexists(path)
    if path.exists() and not force:
        raise UsageError(f"Config already exists at {path}. Use --force to replace it (it is kept as .bak)")
    save_text(path, write(str(path), empty_document()))
    print(f"{'Replaced' if existed else 'Created'} {path}")
    return 0


def empty_document() -> dict[str, object]:
    """What a new configuration file holds."""
    defaults = Config()
    return {
        "$schema": SCHEMA_URL,
        "servers": {},
        "cacheTtlSeconds": defaults.cache_ttl_seconds,
        "maxConcurrency": defaults.max_concurrency,
    }
