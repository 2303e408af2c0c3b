"""The variables of a server's `envFile`, read when its process starts. Reads files.

Called by `callmux.upstream.links.opening`.
"""

from __future__ import annotations

from pathlib import Path

from callmux.config.secrets import read_secret_file
from callmux.errors import SecretError


def env_file_path(name: str, base_dir: Path) -> Path:
    """Where the file is: relative to `base_dir`, `~` is the user's home directory."""
    return base_dir / Path(name).expanduser()


def read_env_file(name: str, base_dir: Path) -> dict[str, str]:
    """Its variables.

    Raises:
        SecretError: It is not there, cannot be read, or holds a line that is none.
    """
    path = env_file_path(name, base_dir)
    text = read_secret_file(path, "environment file")
    from callmux.config.dotenv import parse_dotenv  # few servers have such a file

    try:
        return parse_dotenv(text)
    except SecretError as error:
        raise SecretError(f'could not read environment file "{path}": {error.message}') from None
