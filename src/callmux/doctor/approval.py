"""Whether what `approve` names is there at all. Pure.

Called by `callmux.doctor.checks`: a pattern that fits nothing asks nobody, and looks as if it did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from callmux import names
from callmux.config.model import Config
from callmux.guard.tiers import TIERS

_METHODS = ("prompts/get", "resources/read")


def idle_entries(config: Config, listed: Mapping[str, Sequence[str]]) -> list[str]:
    """A warning for each entry that fits no tool. None where a server did not say what it has.

    Args:
        config: The configuration.
        listed: The tools of each server that has answered.
    """
    entries = [(n, entry) for n, entry in enumerate(config.approve) if entry not in TIERS]
    running = {name: server for name, server in config.servers.items() if not server.disabled}
    if not entries or running.keys() - listed.keys():
        return []
    known = [
        spelled
        for name, server in running.items()
        for bare in (*listed[name], *_METHODS)
        for spelled in names.spellings(name, bare, server.prefix)
    ]
    known += [names.presentable(name, config.tool_name_limit) for name in known]
    found = []
    for n, entry in entries:
        pattern = names.pattern([entry])
        if pattern is None or not any(map(pattern.fullmatch, known)):
            found.append(f'approve[{n}]: no tool is called "{entry}", so nobody is asked about it')
    return found
