"""An example MCP server: a store of notes. Started by `callmux demo`, or by hand.

    python -m callmux.demo.servers.notes [--delay-ms 0] [--dir FOLDER]

A note is FOLDER/NAME.md; without `--dir`, notes live in memory only.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from callmux.demo.servers.wire import DemoServer, Tool, ToolError, number, option

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,79}")


class Notes:
    """Named texts.

    Args:
        folder: Where they are kept, or None for memory.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._memory: dict[str, str] = {}

    @staticmethod
    def _name(arguments: dict[str, Any]) -> str:
        name: str = arguments["name"]
        if not _NAME.fullmatch(name):
            raise ToolError(
                f"{name!r} is no name for a note: lower case letters, digits, - and _, at most 80"
            )
        return name

    def list_notes(self, arguments: dict[str, Any]) -> object:
        if self._folder is None:
            return {"notes": sorted(self._memory)}
        return {"notes": sorted(path.stem for path in self._folder.glob("*.md"))}

    def read_note(self, arguments: dict[str, Any]) -> object:
        name = self._name(arguments)
        try:
            content = self._memory[name] if self._folder is None else self._read(self._folder / f"{name}.md")
        except (KeyError, OSError):
            raise ToolError(f"there is no note {name}") from None
        return {"name": name, "content": content}

    @staticmethod
    def _read(path: Path) -> str:
        return path.read_bytes().decode("utf-8", "replace")

    def write_note(self, arguments: dict[str, Any]) -> object:
        name, content = self._name(arguments), arguments["content"]
        data = content.encode("utf-8", "replace")
        if self._folder is None:
            self._memory[name] = content
        else:
            try:
                (self._folder / f"{name}.md").write_bytes(data)
            except OSError as error:
                raise ToolError(f"the note {name} could not be written: {error.strerror}") from None
        return {"name": name, "bytes": len(data)}

    def tools(self) -> list[Tool]:
        name = {"name": {"type": "string", "description": "The note's name, such as release-plan"}}
        return [
            Tool("list_notes", "Lists the names of all notes.", {}, [], self.list_notes),
            Tool("read_note", "Returns one note.", name, ["name"], self.read_note),
            Tool(
                "write_note",
                "Writes a note, replacing one of that name.",
                {**name, "content": {"type": "string", "description": "The text, in Markdown"}},
                ["name", "content"],
                self.write_note,
                read_only=False,
            ),
        ]


def main() -> None:
    folder = option("--dir", "")
    DemoServer(
        "notes", Notes(Path(folder) if folder else None).tools(), number("--delay-ms", 0) / 1000
    ).serve()


if __name__ == "__main__":
    main()
