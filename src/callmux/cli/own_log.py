"""The log of a long-running command where its flags say how: `--log-level`, `--log-file`, `--log-format`.

Called by `callmux.cli.serve` and `callmux.cli.bridge`, and imported only where one of the flags is given.
What servers print goes the same way then. A file is written by a thread, and may be rotated by anybody at any
time.
"""

from __future__ import annotations

import atexit
import logging
import sys
import time
from pathlib import Path

import msgspec

from callmux.cli.parsing import Given
from callmux.cli.process import LAST_WORDS_SECONDS, VeiledFormatter, hidden
from callmux.observe.feed import Heard
from callmux.observe.log_file import LogFile
from callmux.observe.one_line import one_line
from callmux.observe.scribe import Scribe
from callmux.text import quiet
from callmux.timestamps import iso

SERVER = "callmux_server"
"""The attribute of a record of what a server printed: the server's name."""

log = logging.getLogger("callmux.servers")


class LogOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What the flags say.

    Attributes:
        level: The least level that is logged.
        file: Where to; None for stderr.
        format: `text` or `json`.
    """

    level: str = "info"
    file: str | None = None
    format: str = "text"


def log_options(given: Given) -> LogOptions:
    """What the flags of a command line say."""
    return LogOptions(
        level=given.text("--log-level") or "info",
        file=given.text("--log-file"),
        format=given.text("--log-format") or "text",
    )


def begin(options: LogOptions) -> None:
    """The log goes this way from here on."""
    root = logging.getLogger("callmux")
    root.setLevel(options.level.upper())
    if options.file is not None:
        for before in list(root.handlers):
            root.removeHandler(before)
        root.addHandler(_FileHandler(Path(options.file).expanduser().absolute()))
        sys.excepthook = _crash
    for handler in root.handlers:
        if options.format == "json":
            handler.setFormatter(_JsonFormatter())
        elif options.file is not None:
            words = "%(asctime)s %(levelname)s %(message)s"
            handler.setFormatter(VeiledFormatter(words, "%Y-%m-%d %H:%M:%S"))


def show(server: str, line: str) -> None:
    """Logs what a server printed."""
    log.info("[%s] %s", server, quiet(line), extra={SERVER: server})


def _crash(kind: type[BaseException], error: BaseException, trace: object) -> None:
    """What ends the process stands in the log, and on stderr, where somebody may look first."""
    logging.getLogger("callmux").critical("callmux ends: %r", error, exc_info=error)
    sys.stderr.write(hidden(f"callmux ends: {error!r}; its log says more\n"))


class _JsonFormatter(logging.Formatter):
    """One JSON object a record, without any secret."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, str] = {
            "time": iso(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": hidden(record.getMessage()),
        }
        server = getattr(record, SERVER, None)
        if server is not None:
            said["server"] = server
        if record.exc_info:
            said["error"] = hidden(self.formatException(record.exc_info))
        speakable = {key: value.encode("utf-8", "replace").decode() for key, value in said.items()}
        return one_line(msgspec.json.encode(speakable)).decode().rstrip("\n")


class _FileHandler(logging.Handler):
    """Writes records to a file, in a thread.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = LogFile(path, 0, 0, self._complain)
        self._scribe = Scribe(time.time, self._write)
        atexit.register(self._scribe.close, LAST_WORDS_SECONDS)

    def emit(self, record: logging.LogRecord) -> None:
        self._scribe.put(self.format(record))

    def _write(self, heard: Heard) -> None:
        lines = [f"{line}\n" for _, line in heard.facts]
        if heard.dropped:
            lines.append(f"{heard.dropped} lines were dropped here: there was no time to write them\n")
        self._file.append("".join(lines).encode("utf-8", "replace"))

    def _complain(self, why: str) -> None:
        # Not by the log: it would only complain of itself.
        sys.stderr.write(f"[callmux] --log-file: {why}\n")
