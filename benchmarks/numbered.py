"""An MCP server on stdio whose instructions and descriptions are numbered: one sees how much of them arrived.

    python numbered.py [--length 20000] [--fillers 0] [--note FILE]

Every text is made of marks of eight characters: a letter that says which text it is, the place of the mark in
that text, a space. Used by `benchmarks/sight.py`.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

INSTRUCTIONS, DESCRIPTION, PARAMETER, LOADED, LOADED_PARAMETER = "I", "D", "P", "L", "Q"
WIDTH = 8


def numbered(letter: str, length: int) -> str:
    """A text of this length."""
    return "".join(f"{letter}{at:06d} " for at in range(0, length, WIDTH))[:length]


def tool(name: str, letters: str, length: int, *, loaded: bool = False) -> dict[str, Any]:
    """A tool with a numbered description and one parameter with another."""
    parameter = {"type": "string", "description": numbered(letters[1], length)}
    schema = {"type": "object", "properties": {"word": parameter}}
    shown: dict[str, Any] = {"name": name, "description": numbered(letters[0], length), "inputSchema": schema}
    shown["annotations"] = {"readOnlyHint": True}
    return shown | ({"_meta": {"anthropic/alwaysLoad": True}} if loaded else {})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--length", type=int, default=20_000)
    parser.add_argument("--fillers", type=int, default=0)
    parser.add_argument("--note", type=Path, help="a file for what the client says of itself")
    options = parser.parse_args()
    tools = [
        tool("plain_words", DESCRIPTION + PARAMETER, options.length),
        tool("loaded_words", LOADED + LOADED_PARAMETER, options.length, loaded=True),
        *(tool(f"filler_{n}", "ZZ", 400) for n in range(options.fillers)),
    ]
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        result: dict[str, Any] = {}
        if message["method"] == "initialize":
            result = {
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "numbered", "version": "1"},
                "instructions": numbered(INSTRUCTIONS, options.length),
            }
            if options.note:
                options.note.write_text(json.dumps(message["params"]), "utf-8")
        elif message["method"] == "tools/list":
            result = {"tools": tools}
        elif message["method"] == "tools/call":
            result = {"content": [{"type": "text", "text": "called"}]}
        sys.stdout.write(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
