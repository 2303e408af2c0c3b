"""A load balancer in front of nodes: nginx, HAProxy or Envoy, configured as docs/cluster.md shows.

Called by `place`. The page's configurations are read from there, and only addresses are changed: what is
tried is what is shown.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from tests.live.harness import MARK, until
from tests.support import free_port

PAGE = Path(__file__).parents[2] / "docs" / "cluster.md"
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/usr/bin"
KINDS = ("nginx", "haproxy", "envoy")


def program(kind: str) -> str:
    """Where it is. Without it a test is skipped; in CI it fails."""
    found = shutil.which(kind, path=PATH)
    if found is None:
        if os.environ.get("CALLMUX_REQUIRE_REDIS") == "1":
            pytest.fail(f"{kind} is missing: run scripts/interop, or apt-get install {kind}")
        pytest.skip(f"{kind} is missing: apt-get install {kind}")
    return found


def shown(kind: str) -> str:
    """The configuration on the page."""
    found = re.search(rf"```{kind}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None, f"docs/cluster.md shows no configuration of {kind}"
    return found[1]


def fitted(kind: str, text: str, port: int, nodes: Sequence[int]) -> str:
    """The configuration of the page for these ports of this machine."""
    lines = []
    for line in text.splitlines():
        if re.search(r"10\.0\.0\.\d+(:|, port_value: )4860", line):
            if nodes:
                shape, given = line, nodes
                lines += [
                    re.sub(
                        r"node\d+",
                        f"node{n}",
                        re.sub(r"10\.0\.0\.\d+(:|, port_value: )4860", rf"127.0.0.1\g<1>{at}", shape),
                    )
                    for n, at in enumerate(given, 1)
                ]
                nodes = ()
            continue
        line = re.sub(r"^(\s*listen ).*;", rf"\g<1>127.0.0.1:{port};", line)
        line = line.replace("address: 0.0.0.0, port_value: 80", f"address: 127.0.0.1, port_value: {port}")
        lines.append(re.sub(r"^(\s*bind ).*", rf"\g<1>127.0.0.1:{port}", line))
    return "\n".join(lines) + "\n"


@contextlib.asynccontextmanager
async def front(kind: str, nodes: Sequence[int], mark: str) -> AsyncIterator[int]:
    """Runs one; gives its port."""
    where, port = program(kind), free_port()
    # nginx must reach its files as another user, too.
    with tempfile.TemporaryDirectory(prefix=f"callmux-{kind}-") as folder:
        file = Path(folder) / "front.conf"
        text = fitted(kind, shown(kind), port, nodes)
        if kind == "nginx":
            around = (
                f"pid {folder}/pid; daemon off; error_log stderr warn; worker_processes 1;\n"
                "events { worker_connections 4096; }\n"
                f"http {{ access_log off; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;\n"
                f"fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n"
            )
            file.write_text(f"{around}{text}}}\n")
            command = [where, "-c", str(file), "-p", folder, "-e", "stderr"]
        elif kind == "envoy":
            file = file.with_suffix(".yaml")
            file.write_text(text)
            command = [where, "-c", str(file), "--disable-hot-restart", "--concurrency", "1", "-l", "warn"]
        else:
            file.write_text(f"global\n  maxconn 8192\n{text}")
            command = [where, "-db", "-f", str(file)]
        with (Path(folder) / "log").open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, MARK: mark},
            )
        try:
            said = Path(folder) / "log"
            await until(f"{kind} listens", lambda: listens(port) or process.returncode is not None)
            assert process.returncode is None, said.read_text()[-2000:]
            yield port
        finally:
            if process.returncode is None:
                process.terminate()
            await asyncio.wait_for(process.wait(), 10)


def listens(port: int) -> bool:
    """Whether somebody listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
