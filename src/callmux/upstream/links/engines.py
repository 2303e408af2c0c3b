"""Which programs run containers. Pure.

Called by `callmux.upstream.links.child`, which looks at a command's words only where one may, and by
`callmux.upstream.links.container`, which understands them.
"""

from __future__ import annotations

ENGINES = frozenset({"docker", "podman", "nerdctl"})


def may_run_containers(command: str) -> bool:
    """Whether a command is an engine, or `sudo`, which may run one."""
    return command.rpartition("/")[2] in {"sudo", *ENGINES}
