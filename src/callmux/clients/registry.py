"""Well-known MCP servers that setup offers. Pure.

Called by `callmux.cli.setup`, and by `callmux.clients.dependence` for what they need of their directory and
keep between calls; `scripts/check-registry` starts every one of them and lists its tools. What it cannot
check without an account or a network is marked so.
"""

from __future__ import annotations

from dataclasses import dataclass

from callmux.clients.entry import Entry


@dataclass(frozen=True, slots=True)
class Variable:
    """A credential or setting that a server needs.

    Attributes:
        name: The environment variable.
        hint: Where to get it.
        example: A value of the right form, for the check; no real one.
    """

    name: str
    hint: str
    example: str = "example"


@dataclass(frozen=True, slots=True)
class PathArgument:
    """A directory or file that a server works on: added to its arguments.

    Attributes:
        question: What is asked for.
        repeat: Whether there may be several.
    """

    question: str
    repeat: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownServer:
    """One server of the list.

    Attributes:
        name: What it is called.
        about: One line.
        command: The program and its arguments; empty for a remote server.
        url: The address of a remote server.
        variables: What it needs; for a remote server, `header` carries the first.
        header: The HTTP header with `%s` for the reference; empty for none.
        sign_in: Whether a person signs in to it (OAuth): `callmux login`.
        place: A directory or file it works on.
        directory: Why each directory needs a process of its own, as the end of a sentence; empty where one
            process does for all, or where there is none.
        keeps: What it keeps between calls, so that it must not be stopped; empty for nothing.
        checked: Whether the check starts it and lists its tools; False for what needs the network or an
            account.
    """

    name: str
    about: str
    command: tuple[str, ...] = ()
    url: str = ""
    variables: tuple[Variable, ...] = ()
    header: str = ""
    sign_in: bool = False
    place: PathArgument | None = None
    directory: str = ""
    keeps: str = ""
    checked: bool = True

    def entry(self, places: tuple[str, ...] = ()) -> Entry:
        """The server as an entry, without its credentials; those are references."""
        if self.url:
            headers = {"Authorization": self.header % f"${{{self.variables[0].name}}}"} if self.header else {}
            return Entry(url=self.url, transport="streamable-http", headers=headers)
        return Entry(command=self.command[0], args=(*self.command[1:], *places))


def _npx(package: str, *args: str) -> tuple[str, ...]:
    return "npx", "-y", package, *args


KNOWN = {
    known.name: known
    for known in (
        KnownServer(
            name="filesystem",
            about="read and write files below directories you choose",
            command=_npx("@modelcontextprotocol/server-filesystem"),
            place=PathArgument("Directories it may use", repeat=True),
            directory="it asks its client for MCP roots and works below these",
        ),
        KnownServer(
            name="git",
            about="status, diff, log and commits of a repository",
            command=("uvx", "mcp-server-git"),
            directory="it works on the repository that its client is in",
        ),
        KnownServer(name="fetch", about="web pages as text", command=("uvx", "mcp-server-fetch")),
        KnownServer(name="time", about="the time in any zone", command=("uvx", "mcp-server-time")),
        KnownServer(
            name="memory",
            about="a knowledge graph that stays between sessions",
            command=_npx("@modelcontextprotocol/server-memory"),
        ),
        KnownServer(
            name="sequential-thinking",
            about="a notebook for thinking in steps",
            command=_npx("@modelcontextprotocol/server-sequential-thinking"),
            keeps="its notebook",
        ),
        KnownServer(
            name="playwright",
            about="a browser: click, type, read",
            command=_npx("@playwright/mcp@latest"),
            directory="agents that work in different directories must not share its browser",
            keeps="its browser",
        ),
        KnownServer(
            name="context7",
            about="current documentation of libraries",
            command=_npx("@upstash/context7-mcp"),
        ),
        KnownServer(
            name="brave-search",
            about="web search",
            command=_npx("@brave/brave-search-mcp-server", "--transport", "stdio"),
            variables=(Variable("BRAVE_API_KEY", "https://brave.com/search/api"),),
        ),
        KnownServer(
            name="notion",
            about="pages and databases of Notion",
            command=_npx("@notionhq/notion-mcp-server"),
            variables=(
                Variable("NOTION_TOKEN", "an integration's secret from notion.so/profile/integrations"),
            ),
        ),
        KnownServer(
            name="firecrawl",
            about="crawl and search the web",
            command=_npx("firecrawl-mcp"),
            variables=(Variable("FIRECRAWL_API_KEY", "https://firecrawl.dev/app/api-keys"),),
        ),
        KnownServer(
            name="everything",
            about="every feature of the protocol, for trying things out",
            command=_npx("@modelcontextprotocol/server-everything"),
            directory="it asks its client for MCP roots",
            keeps="what it simulates for its client",
        ),
        KnownServer(
            name="github",
            about="issues, pull requests and code of GitHub (remote; with a token)",
            url="https://api.githubcopilot.com/mcp/",
            variables=(
                Variable(
                    "GITHUB_PERSONAL_ACCESS_TOKEN", "https://github.com/settings/personal-access-tokens"
                ),
            ),
            header="Bearer %s",
            checked=False,
        ),
        KnownServer(
            name="linear",
            about="issues of Linear (remote; you sign in)",
            url="https://mcp.linear.app/mcp",
            sign_in=True,
            checked=False,
        ),
        KnownServer(
            name="notion-hosted",
            about="pages and databases of Notion, by its own server (remote; you sign in)",
            url="https://mcp.notion.com/mcp",
            sign_in=True,
            checked=False,
        ),
        KnownServer(
            name="sentry",
            about="errors and issues of Sentry (remote; you sign in)",
            url="https://mcp.sentry.dev/mcp",
            sign_in=True,
            checked=False,
        ),
        KnownServer(
            name="deepwiki",
            about="documentation of public GitHub repositories (remote)",
            url="https://mcp.deepwiki.com/mcp",
            checked=False,
        ),
        KnownServer(
            name="huggingface",
            about="models, datasets and papers of Hugging Face (remote)",
            url="https://huggingface.co/mcp",
            checked=False,
        ),
    )
}
"""By name, in the order in which they are offered."""
