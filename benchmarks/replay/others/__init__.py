"""Four tasks with other servers than those of `replay.tasks`, reported by themselves.

They were written after `lean` was done and were not looked at while it was made. Each module has what one of
`replay.tasks` has; `prepare(place, call)` may ask the servers for something that is not recorded. All four
servers are connected all the time. Recorded by `replay.others.record`.
"""

from __future__ import annotations

from types import ModuleType

from replay.others import browser, database, search, tickets
from replay.recording import TRACES

OTHERS: dict[str, ModuleType] = {
    "price-check": browser,
    "sales-report": database,
    "handbook-answers": search,
    "planning": tickets,
}
"""Every task by the name of its trace."""

OTHER_SERVERS = TRACES / "other-servers.json"
"""What these servers list."""
