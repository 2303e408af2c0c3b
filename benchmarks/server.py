"""A bare stdio MCP server that costs as little as possible: what a benchmark puts behind a proxy.

    server.py [--tools N] [--reads] [--first NAME]

Its first tool is `get_item {"id": n, "size": bytes}`: a text of `size` bytes, or a small object without it.
The others (`tool_0001` ...) answer the same and differ in name and description, to make the listing long.
With `--reads` there is also `read_item`, the same again, which says that it only reads. `--first` gives
the first tool another name.
"""

from __future__ import annotations

import os
import sys

import orjson

SCHEMA = {
    "type": "object",
    "properties": {
        "id": {"type": "integer", "description": "Which item"},
        "size": {"type": "integer", "description": "Bytes of the text that comes back"},
    },
}


def definitions(count: int, first: str = "get_item") -> list[dict[str, object]]:
    names = [first, *(f"tool_{n:04}" for n in range(1, count))]
    return [
        {"name": n, "description": f"Returns an item by its id ({n})", "inputSchema": SCHEMA} for n in names
    ]


def main() -> None:
    count = int(sys.argv[sys.argv.index("--tools") + 1]) if "--tools" in sys.argv else 1
    first = sys.argv[sys.argv.index("--first") + 1] if "--first" in sys.argv else "get_item"
    listed = definitions(count, first)
    if "--reads" in sys.argv:
        hints = {"readOnlyHint": True, "idempotentHint": True}
        listed.append({**listed[0], "name": "read_item", "annotations": hints})
    tools = orjson.dumps({"tools": listed})
    texts: dict[int, bytes] = {}
    buffer = b""
    while data := os.read(0, 1 << 20):
        *lines, buffer = (buffer + data).split(b"\n")
        answers = []
        for line in lines:
            message = orjson.loads(line)
            method, key = message.get("method"), message.get("id")
            if key is None or method is None:
                continue
            if method == "tools/call":
                arguments = message["params"].get("arguments") or {}
                if size := arguments.get("size"):
                    if size not in texts:
                        texts[size] = orjson.dumps({"content": [{"type": "text", "text": "x" * size}]})
                    result = texts[size]
                else:
                    text = orjson.dumps({"id": arguments.get("id"), "state": "open"}).decode()
                    result = orjson.dumps({"content": [{"type": "text", "text": text}]})
            elif method == "tools/list":
                result = tools
            elif method == "initialize":
                version = message["params"]["protocolVersion"]
                result = orjson.dumps(
                    {
                        "protocolVersion": version,
                        "capabilities": {"tools": {}},
                        "serverInfo": {"name": "bench", "version": "1"},
                    }
                )
            else:
                result = b"{}"
            answers.append(b'{"jsonrpc":"2.0","id":%s,"result":%s}\n' % (orjson.dumps(key), result))
        out = b"".join(answers)
        while out:
            out = out[os.write(1, out) :]


if __name__ == "__main__":
    main()
