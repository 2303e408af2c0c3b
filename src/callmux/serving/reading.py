"""Reads the configuration, and knows as what the one in force was written.

Made by `callmux.cli.listen` and `callmux.library.listener`; `callmux.serving.assembly` tells it what takes
effect, and `callmux.management.changes` asks it.
"""

from __future__ import annotations

from typing import Any, Protocol

from callmux.config.model import Config
from callmux.config.overlay import Overlay
from callmux.config.sources import Sources


class Load(Protocol):
    """Reads the configuration; raises `CallmuxError` where it cannot be used."""

    def __call__(self, sources: Sources, overlay: Overlay | None = None) -> Config:
        """The configuration, with the servers of an overlay in place of its own; of the saved one where None.

        Args:
            sources: Takes the files that were read, and what they say together.
        """


class ConfigReader:
    """The readings of one process.

    Args:
        load: Reads.
        config: What it gave first.
        document: What that was written as.
    """

    def __init__(self, load: Load, config: Config, document: dict[str, Any]) -> None:
        self._load = load
        self._known: list[tuple[Config, dict[str, Any]]] = [(config, document)]

    def read(self, sources: Sources, overlay: Overlay | None = None) -> Config:
        """Reads anew."""
        config = self._load(sources, overlay)
        self._known.append((config, sources.document))
        return config

    def take_effect(self, config: Config) -> None:
        """This configuration is in force now: what was read before it never comes back."""
        at = next((n for n, (known, _) in enumerate(self._known) if known is config), 0)
        del self._known[:at]

    def document(self, config: Config) -> dict[str, Any]:
        """What a configuration that was read here, and is in force, was written as."""
        return next((document for known, document in self._known if known is config), {})
