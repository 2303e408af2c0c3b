"""Processes seen from outside: what a product and its helpers spend and hold, and what the machine does.

The bench server behind a product is not counted. On Linux the times of threads come from `/proc`, exact to a
microsecond.
"""

from __future__ import annotations

import contextlib
import os
import platform
import resource
import time
from pathlib import Path
from typing import NamedTuple

import psutil

SERVER = Path(__file__).parents[1] / "server.py"


class Held(NamedTuple):
    """What a tree holds.

    Attributes:
        pss: Megabytes, pages that are shared divided among those that share them.
        rss: Megabytes, each page counted in every process that has it.
        processes: How many, the servers behind not counted.
        servers: How many processes of bench servers are behind.
    """

    pss: float
    rss: float
    processes: int
    servers: int


class Tree:
    """A product's processes: some roots and all below them.

    Args:
        roots: Identifiers of processes.
    """

    def __init__(self, *roots: int) -> None:
        self._roots = roots
        self.look()

    def look(self) -> None:
        """Which processes there are now."""
        own: list[psutil.Process] = []
        self.servers = 0
        for root in self._roots:
            with contextlib.suppress(psutil.Error):
                top = psutil.Process(root)
                for process in [top, *top.children(recursive=True)]:
                    with contextlib.suppress(psutil.Error):
                        if process.cmdline()[1:2] == [str(SERVER)]:
                            self.servers += 1
                        else:
                            own.append(process)
        self.processes = own

    def spent(self) -> float:
        """Seconds of processor time of those that were seen."""
        return sum(_spent(process.pid) for process in self.processes)

    def held(self) -> Held:
        self.look()
        pss = rss = 0.0
        for process in self.processes:
            with contextlib.suppress(psutil.Error):
                memory = process.memory_full_info()
                pss += getattr(memory, "pss", memory.rss) / 2**20
                rss += memory.rss / 2**20
        return Held(pss, rss, len(self.processes), self.servers)


def _spent(pid: int) -> float:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        return sum(_scheduled(f"/proc/{pid}/task/{task}/schedstat") for task in tasks) / 1e9
    except FileNotFoundError:
        with contextlib.suppress(psutil.Error):
            times = psutil.Process(pid).cpu_times()
            return float(times.user + times.system)
        return 0.0


def _scheduled(path: str) -> int:
    with open(path, "rb") as file:
        return int(file.read().split()[0])


class Driving:
    """How much of a core the driver itself takes, and how much of the machine others take.

    Attributes:
        share: The driver's processor time by time, of one core.
    """

    def __init__(self) -> None:
        self._began, self._own = time.perf_counter(), _own()

    @property
    def share(self) -> float:
        return (_own() - self._own) / max(1e-9, time.perf_counter() - self._began)


def _own() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def load() -> float:
    """The load of the last minute."""
    return os.getloadavg()[0]


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    return {
        "cores": str(os.cpu_count()),
        "processor": _processor(),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GB",
        "system": f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
    }


def _processor() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
