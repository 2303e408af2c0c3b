"""The other products from PyPI and npm: callmux (npm), FastMCP, mcp-proxy, supergateway, slop-mcp, mcporter.

Each is started by its own program, as quiet as it can be made. `contextforge` has the one that needs more
than a command.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any, ClassVar

from peers import fetching
from peers.client import TOOL, Params, Wrap
from peers.products import (
    BRIDGE,
    CALL_ALONE,
    LISTENER,
    NO_COMMAND,
    NPM,
    STDIO,
    UNGUARDED,
    Callmux,
    Listening,
    Product,
    Setup,
)


class OnNode(Product):
    """A product of npm.

    Attributes:
        script: What Node.js runs, within the package.
    """

    script: ClassVar[str]

    def fetch(self) -> None:
        self.node = fetching.node(self.cache)
        self.place = fetching.from_npm(self.cache, self.package, self.version)
        self.program: tuple[str, ...] = (str(self.node), str(self.place / self.script))


class CallmuxNpm(OnNode, Callmux):
    """callmux for Node, as a black box."""

    name, package, version = NPM, "callmux", "0.24.3"
    script = "dist/bin/callmux.js"
    cannot: ClassVar = {CALL_ALONE: "its `call` needs a listener"}


class FastMcp(Product):
    """FastMCP's `create_proxy`."""

    name, package, version = "FastMCP proxy", "fastmcp", "4.2.3"
    cannot: ClassVar = dict.fromkeys(UNGUARDED, "there, tokens, rules and limits are code of whoever runs it")
    _PROXY = (
        "import json, sys; from fastmcp.server import create_proxy; to = sys.argv[1]; "
        "create_proxy(to if to.startswith('http') else json.load(open(to))).run(show_banner=False, "
        "**({'transport': 'http', 'port': int(sys.argv[2]), 'log_level': 'error'} if sys.argv[2:] else {}))"
    )

    def fetch(self) -> None:
        self._bin = fetching.from_pypi(self.cache, self.package, self.version) / "bin"
        self.env = {"FASTMCP_LOG_LEVEL": "ERROR", "FASTMCP_CHECK_FOR_UPDATES": "off"}

    def _words(self, *more: str) -> list[str]:
        return [str(self._bin / "python"), "-c", self._PROXY, *more]

    def stdio(self, setup: Setup) -> list[str]:
        return self._words(setup.written({"mcpServers": setup.entries()}))

    def listener(self, setup: Setup, port: int) -> list[str]:
        return [*self.stdio(setup), str(port)]

    def bridge(self, at: Listening) -> list[str]:
        return self._words(at.url)

    def command(self, at: Listening) -> list[str]:
        token = at.headers.get("Authorization", "Bearer none").removeprefix("Bearer ")
        return [str(self._bin / "fastmcp"), "call", at.url, "get_item", "id=5", "--auth", token]

    def command_alone(self, setup: Setup) -> list[str]:
        words = shlex.join(setup.words())
        aim = ["--target", "get_item", "--input-json", '{"id":5}']
        return [str(self._bin / "fastmcp"), "call", "--command", words, *aim]


class McpProxy(Product):
    """mcp-proxy: stdio to HTTP and back."""

    name, package, version = "mcp-proxy", "mcp-proxy", "0.13.0"
    cannot: ClassVar = {
        **UNGUARDED,
        **NO_COMMAND,
        STDIO: "it leads from stdio to HTTP or back, not from stdio to stdio",
    }
    several = "each server has a URL of its own"

    def fetch(self) -> None:
        folder = fetching.from_pypi(self.cache, self.package, self.version)
        self._words = [str(folder / "bin" / "mcp-proxy"), "--log-level", "ERROR"]

    def listener(self, setup: Setup, port: int) -> list[str]:
        return [*self._words, "--port", str(port), "--", *setup.words()]

    def bridge(self, at: Listening) -> list[str]:
        return [*self._words, "--transport", "streamablehttp", at.url]


class Supergateway(OnNode):
    """supergateway: stdio to HTTP and back; with sessions."""

    name, package, version = "supergateway", "supergateway", "4.0.0"
    script = "dist/index.js"
    cannot: ClassVar = {
        **UNGUARDED,
        **NO_COMMAND,
        STDIO: "it leads from stdio to HTTP or back, not from stdio to stdio",
    }
    several = "it takes one server"

    def listener(self, setup: Setup, port: int) -> list[str]:
        words = ["--stdio", shlex.join(setup.words()), "--outputTransport", "streamableHttp", "--stateful"]
        return [*self.program, *words, "--port", str(port), "--logLevel", "none"]

    def bridge(self, at: Listening) -> list[str]:
        return [*self.program, "--streamableHttp", at.url, "--logLevel", "none"]


def _executed(server: str, arguments: Params) -> tuple[str, Params]:
    return "execute_tool", {"mcp_name": server, "tool_name": TOOL, "parameters": arguments}


class Slop(Product):
    """slop-mcp, a compiled multiplexer (Go)."""

    name, package, version = "slop-mcp", "@standardbeagle/slop-mcp", "0.15.0"
    cannot: ClassVar = {
        **UNGUARDED,
        **NO_COMMAND,
        LISTENER: "it serves the older HTTP+SSE and no Streamable HTTP",
        BRIDGE: "it serves the older HTTP+SSE and no Streamable HTTP",
    }

    @property
    def wrap(self) -> Wrap | None:
        return _executed

    def fetch(self) -> None:
        place = fetching.from_npm(self.cache, self.package, self.version)
        binary = place / "binaries" / f"slop-mcp-{fetching.go_kind()}"
        if not binary.exists():
            raise fetching.Missing(f"{self.package} has no program for {fetching.go_kind()}")
        binary.chmod(0o755)
        self._program = str(binary)

    def stdio(self, setup: Setup) -> list[str]:
        lines = []
        for name, entry in setup.entries().items():
            args = " ".join(json.dumps(word) for word in entry["args"])
            command = json.dumps(entry["command"])
            lines.append(f'mcp "{name}" {{\n    type "stdio"\n    command {command}\n    args {args}\n}}\n')
        (setup.folder / ".slop-mcp.kdl").write_text("".join(lines), "utf-8")
        return [self._program, "serve"]


class Mcporter(OnNode):
    """mcporter: tools of MCP servers from a shell."""

    name, package, version = "mcporter", "mcporter", "0.12.3"
    script = "dist/cli.js"
    cannot: ClassVar = {
        **dict.fromkeys((STDIO, LISTENER, BRIDGE), "it is a command, not something in between"),
        **UNGUARDED,
    }

    def command(self, at: Listening) -> list[str]:
        server: dict[str, Any] = {"baseUrl": at.url, "headers": at.headers}
        return self._call(server, at.home)

    def command_alone(self, setup: Setup) -> list[str]:
        return self._call(setup.entries()["bench"], setup.folder)

    def _call(self, server: dict[str, Any], folder: Path) -> list[str]:
        path = folder / "mcporter.json"
        path.write_text(json.dumps({"mcpServers": {"bench": server}, "imports": []}), "utf-8")
        words = ["call", "--config", str(path), "bench.get_item", "--args", '{"id":5}']
        return [*self.program, *words, "--output", "json"]
