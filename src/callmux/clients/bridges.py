"""Which listeners clients' entries start by themselves. Reads files, writes none.

Called by `callmux.cli.taking_back` before and after files are as they were: a listener that no entry starts
any more would go on for as long as it waits for clients.
"""

from __future__ import annotations

from callmux.clients import editing
from callmux.clients.detect import KINDS, Machine, client_file, read_text
from callmux.clients.entry import ClientFileError, own_arguments


def autostarted(machine: Machine) -> dict[str, str | None]:
    """The addresses of entries with `--autostart`, each with the configuration that its entry names."""
    found: dict[str, str | None] = {}
    for kind in KINDS:
        path = client_file(kind, machine)
        try:
            text = None if path is None else read_text(path)
            sections = {} if text is None else editing.sections(kind, text)
        except ClientFileError:
            # What cannot be read starts nothing that we know of.
            continue
        for servers in sections.values():
            for raw in servers.values():
                entry = editing.entry_of(kind, raw)
                ours = None if entry is None else own_arguments(entry)
                if ours is not None and "--autostart" in ours[1] and (url := _value(ours[1], "--url")):
                    found[url] = _value(ours[1], "--config")
    return found


def _value(words: tuple[str, ...], flag: str) -> str | None:
    at = words.index(flag) + 1 if flag in words else len(words)
    return words[at] if at < len(words) else None
