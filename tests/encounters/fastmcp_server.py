"""A server written with FastMCP, of whatever version runs this: `python fastmcp_server.py`."""

# FastMCP is in an environment of its own.
# mypy: disable-error-code="import-not-found,untyped-decorator"
from __future__ import annotations

from dataclasses import dataclass

from fastmcp import Context, FastMCP

mcp = FastMCP("fixture", instructions="Greets and adds.")


@dataclass
class Sum:
    """What `add` gives."""

    total: int


@mcp.tool
def add(a: int, b: int) -> Sum:
    """Adds two numbers."""
    return Sum(a + b)


@mcp.tool
def words() -> list[str]:
    """Some words."""
    return ["one", "two"]


@mcp.tool
async def ask_name(ctx: Context) -> str:
    """Asks the person for a name."""
    result = await ctx.elicit("What is your name?", response_type=str)
    return f"{result.action}: {getattr(result, 'data', None)}"


@mcp.tool
async def ask_model(ctx: Context) -> str:
    """Asks the client's model."""
    result = await ctx.sample("What is the answer?")
    return f"the model says {result.text}"


@mcp.resource("data://settings")
def settings() -> dict[str, str]:
    """Settings."""
    return {"colour": "blue"}


@mcp.resource("data://greeting/{name}")
def greeting(name: str) -> str:
    """A greeting."""
    return f"Hello, {name}!"


@mcp.prompt
def summary(topic: str) -> str:
    """Asks for a summary."""
    return f"Summarize {topic}."


if __name__ == "__main__":
    mcp.run(show_banner=False)
