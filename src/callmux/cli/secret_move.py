"""Moves secrets that stand in a configuration to where `keyring:` references find them.

Called by `callmux.cli.secret`, and by `callmux.cli.setup_steps` once setup has written. First the secrets are
kept, then the file is changed: at no moment does it refer to what is not there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NamedTuple

from callmux.cli.saving import edit_text
from callmux.cli.server_saving import loadable
from callmux.config.load import read_document
from callmux.config.notation import parse, set_value
from callmux.errors import SecretError
from callmux.secrets.vault import Vault
from callmux.setup.servers import KeyringSecrets, kept_elsewhere


class Move(NamedTuple):
    """What would be moved.

    Attributes:
        kept: Secrets by name.
        places: Where each change is, such as `github: env.TOKEN`.
    """

    kept: dict[str, str]
    places: list[str]


def planned(path: Path, vault: Vault, only: Collection[str] | None = None) -> Move:
    """What stands in the file in plain text.

    Args:
        path: The configuration.
        vault: Where secrets go.
        only: Servers to look at; all where absent.

    Raises:
        ConfigError: The file cannot be read.
    """
    secrets = _secrets(vault)
    changes = _changes(read_document(path), secrets, only)
    places = [f"{name}: {'.'.join(keys)}" for (_, name), changed in changes.items() for keys in changed]
    return Move(secrets.kept, places)


def move(path: Path, vault: Vault, only: Collection[str] | None = None) -> Move:
    """Moves them. Gives what was moved.

    Raises:
        SecretError: The vault does not take one; nothing was changed.
        ConfigError: The file cannot be changed, or would not load.
    """
    secrets = _secrets(vault)
    done = Move(secrets.kept, [])

    def edit(text: str) -> str:
        changes = _changes(parse(str(path), text), secrets, only)
        for name, value in secrets.kept.items():
            vault.set(name, value)
        for (section, name), changed in changes.items():
            for keys, value in changed.items():
                text = set_value(str(path), text, [section, name, *keys], value)
                done.places.append(f"{name}: {'.'.join(keys)}")
        return loadable(path, text)

    edit_text(path, edit)
    return done


def _secrets(vault: Vault) -> KeyringSecrets:
    return KeyringSecrets("", {}, occupied=known_values(vault))


def known_values(vault: Vault) -> dict[str, str]:
    """The secrets there are; one that cannot be read is no other's name either."""
    found = {}
    for name in vault.names():
        try:
            found[name] = vault.get(name)
        except SecretError:
            found[name] = ""
    return found


def _changes(
    document: object, secrets: KeyringSecrets, only: Collection[str] | None
) -> dict[tuple[str, str], dict[tuple[str, ...], Any]]:
    found = {}
    for section in ("servers", "mcpServers"):
        servers = document.get(section) if isinstance(document, dict) else None
        for name, entry in servers.items() if isinstance(servers, dict) else ():
            if isinstance(entry, dict) and (only is None or name in only):
                changed = kept_elsewhere(name, entry, secrets.keep)
                if changed:
                    found[section, name] = changed
    return found


def offer(
    path: Path,
    vault: Vault,
    agree: Callable[[str], bool],
    only: Collection[str] | None = None,
) -> list[str]:
    """Moves them if somebody agrees. Gives what to say.

    Args:
        agree: Asks a question and gives whether the answer was yes.
        only: Servers to look at; all where absent.
    """
    found = planned(path, vault, only)
    if not found.places:
        return []
    what = ", ".join(found.places)
    if not agree(f"Secrets stand in {path} ({what}). Move them into {vault.place}?"):
        return ['They stay where they are; "callmux secret move" moves them later.']
    done = move(path, vault, only)
    lines = [f"Moved: {place}" for place in done.places]
    return [*lines, f"The file as it was is {path.name}.bak: remove it, because it holds the secrets."]
