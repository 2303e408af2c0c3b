"""ContextForge (PyPI): a gateway with a database, and its `translate` for each server on stdio.

It always asks for a token: that is how it comes, and its row says so.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import ClassVar

from ports import free_port

from peers import fetching
from peers.client import Failed
from peers.products import (
    BRIDGE,
    GUARDED_BRIDGE,
    NO_COMMAND,
    STDIO,
    Listening,
    Product,
    Setup,
    started,
)

WORD = "Aa1!Aa1!0123456789abcdef0123456789abcdef"
"""For every secret that it insists on."""
SECRETS = (
    "JWT_SECRET_KEY",
    "AUTH_ENCRYPTION_SECRET",
    "PLATFORM_ADMIN_PASSWORD",
    "BASIC_AUTH_PASSWORD",
    "DEFAULT_USER_PASSWORD",
)
SECONDS = 60.0
RATE = "1000000000"


class ContextForge(Product):
    """The gateway and one `translate`."""

    name, package, version = "ContextForge", "mcp-contextforge-gateway", "1.0.7"
    cannot: ClassVar = {
        **NO_COMMAND,
        STDIO: "it is a gateway over HTTP",
        BRIDGE: "its stdio wrapper was not tried",
        GUARDED_BRIDGE: "its stdio wrapper was not tried",
    }
    slow = "its start takes half a minute, and a short run leaves its curves out"
    several = "each server on stdio needs a `translate` process of its own"

    def fetch(self) -> None:
        self._bin = fetching.from_pypi(self.cache, self.package, self.version) / "bin"

    def environment(self, setup: Setup) -> dict[str, str]:
        guards = {"RATE_LIMITING_ENABLED": "false"}
        if setup.guarded:
            guards = {
                "RATE_LIMIT_MEDIUM_RPM": RATE,
                "RATE_LIMIT_LOW_RPM": RATE,
                "RATE_LIMIT_HIGH_RPM": RATE,
                "TOOL_RATE_LIMIT": RATE,
                "AUDIT_TRAIL_ENABLED": "true",
                "ENABLE_METRICS": "true",
            }
        return {
            **super().environment(setup),
            **{name: WORD + name for name in SECRETS},
            **guards,
            "DATABASE_URL": f"sqlite:///{setup.folder}/gateway.db",
            "CACHE_TYPE": "memory",
            "MCPGATEWAY_UI_ENABLED": "false",
            "MCPGATEWAY_ADMIN_API_ENABLED": "false",
            "LOG_LEVEL": "ERROR",
            "SSRF_ALLOW_LOCALHOST": "true",
            "SSRF_ALLOW_PRIVATE_NETWORKS": "true",
        }

    @contextlib.contextmanager
    def listening(self, setup: Setup) -> Iterator[Listening]:
        inner, outer = free_port(), free_port()
        python = str(self._bin / "python")
        words = " ".join(setup.words())
        translate = [python, "-m", "mcpgateway.translate", "--stdio", words, "--expose-streamable-http"]
        gateway = [str(self._bin / "mcpgateway"), "--host", "127.0.0.1", "--port", str(outer)]
        with contextlib.ExitStack() as stack:
            low, began = stack.enter_context(started(self, [*translate, "--port", str(inner)], setup, inner))
            high, _ = stack.enter_context(started(self, gateway, setup, outer))
            headers = {"Authorization": f"Bearer {self._token(setup)}"}
            _register(f"http://127.0.0.1:{outer}", f"http://127.0.0.1:{inner}/mcp", headers)
            yield Listening(
                f"http://127.0.0.1:{outer}/mcp", headers, (low.pid, high.pid), began, setup.folder
            )

    def _token(self, setup: Setup) -> str:
        words = ["-m", "mcpgateway.utils.create_jwt_token", "--username", "admin@example.com", "--admin"]
        done = subprocess.run(
            [str(self._bin / "python"), *words, "--exp", "600"],
            env=self.environment(setup),
            cwd=setup.folder,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode:
            raise Failed(f"no token: {done.stderr[-200:]}")
        return done.stdout.split()[-1]


def _register(gateway: str, server: str, headers: dict[str, str]) -> None:
    body = json.dumps({"name": "bench", "url": server, "transport": "STREAMABLEHTTP"}).encode()
    request = urllib.request.Request(
        f"{gateway}/gateways", body, {"Content-Type": "application/json", **headers}
    )
    try:
        urllib.request.urlopen(request, timeout=SECONDS).close()
    except urllib.error.HTTPError as error:
        raise Failed(f"the server could not be registered: {error}: {error.read()[:200]!r}") from None
    except OSError as error:
        raise Failed(f"the server could not be registered: {error}") from None
