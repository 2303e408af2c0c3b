"""The configuration that a program gives: a file, or an object as a file would hold it.

Called by `callmux.library.listener` and `callmux.library.gateway`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from callmux.config.load import load_config, load_document
from callmux.config.model import Config
from callmux.config.overlay import Overlay
from callmux.config.sources import Sources

Given: TypeAlias = Mapping[str, Any] | str | os.PathLike[str]
"""A configuration: the path of its file, or what a file would hold."""
NAME = "callmux.json"


class Loader:
    """Reads it.

    Args:
        given: The configuration.
        env: The variables there are.
        base_dir: Where relative paths of an object start; the directory of a file.
        kept: Gives the changes of the management interface where no file keeps them.

    Attributes:
        given: The same; a reload may bring another one.
    """

    def __init__(
        self,
        given: Given,
        env: Mapping[str, str],
        base_dir: Path | None,
        kept: Callable[[], Overlay] = Overlay,
    ) -> None:
        self.given = given
        self._env = env
        self._base_dir = base_dir or Path.cwd()
        self._kept = kept

    @property
    def path(self) -> Path | None:
        """The file; None for an object."""
        return None if isinstance(self.given, Mapping) else Path(self.given)

    @property
    def base_dir(self) -> Path:
        """Where relative paths start."""
        return self._base_dir if (path := self.path) is None else Path(os.path.abspath(path)).parent

    def __call__(self, sources: Sources, overlay: Overlay | None = None) -> Config:
        """The configuration, as `callmux.serving.reading` wants it read.

        Raises:
            CallmuxError: It cannot be used.
        """
        given = self.given
        if not isinstance(given, Mapping):
            return load_config(Path(given), self._env, sources=sources, overlay=overlay).config
        document = msgspec.json.decode(msgspec.json.encode(given))
        path = self._base_dir / NAME
        management = document.get("management")
        keeps = isinstance(management, dict) and management.get("statePath") is not None
        if overlay is None and not keeps:
            overlay = self._kept()
        config = load_document(document, path, self._env, True, sources, overlay, []).config
        if keeps:
            return config
        nowhere = msgspec.structs.replace(config.management, state_path=None)
        return msgspec.structs.replace(config, management=nowhere)
