"""A single text of the configuration with its variables and references looked up.

Called by `callmux.process.shared_state`. For a thread: a keyring or a command may take its time.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from callmux.config.references import Reference
from callmux.config.variables import expand_text
from callmux.errors import ConfigError, SecretError
from callmux.secrets.resolving import resolve


def looked_up(text: str, path: str, base_dir: Path, env: Mapping[str, str]) -> str:
    """What a text comes to.

    Args:
        text: As the file has it.
        path: Where it stands in the file.
        base_dir: What a relative path starts from.
        env: The variables there are.

    Raises:
        ConfigError: There is no value; names the key.
    """
    template, problems = expand_text(text, path, env, lambda file: resolve(f"file:{file}", base_dir, env))
    if problems:
        raise ConfigError(problems)
    parts = []
    for part in template:
        try:
            parts.append(resolve(str(part), base_dir, env) if isinstance(part, Reference) else part)
        except SecretError as error:
            raise ConfigError([f"{path} {error.message}"]) from None
    return "".join(parts)
