"""An MCP server with an app and a skill, on stdio, at addresses that every server of this kind has.

    python extension_server.py NAME

Its page and its files say NAME, and so does everything else that it says, but no address.
"""

from __future__ import annotations

import hashlib
import json
import sys
from typing import Any

NAME = sys.argv[1]
PAGE = "ui://get-time/app.html"
DIRECTORY = "skill://deploy"
FILES = {
    f"{DIRECTORY}/SKILL.md": f"---\nname: deploy\ndescription: Deploys {NAME}\n---\nSee refs/a.md",
    f"{DIRECTORY}/refs/a.md": f"how to deploy {NAME}: é",
}
UI = {"resourceUri": PAGE}
TOOLS: list[dict[str, Any]] = [
    {"name": "get-time", "inputSchema": {"type": "object"}, "_meta": {"ui": UI, "ui/resourceUri": PAGE}},
    {"name": "refresh", "inputSchema": {"type": "object"}, "_meta": {"ui": {**UI, "visibility": ["app"]}}},
]
EXTENSIONS = {"io.modelcontextprotocol/skills": {"directoryRead": True}, "io.modelcontextprotocol/ui": {}}


def entry() -> dict[str, Any]:
    manifest = [
        {"uri": uri, "digest": f"sha256:{hashlib.sha256(t.encode()).hexdigest()}", "size": len(t.encode())}
        for uri, t in FILES.items()
    ]
    frontmatter = {"name": "deploy", "description": f"Deploys {NAME}"}
    return {"uri": f"{DIRECTORY}/SKILL.md", "frontmatter": frontmatter, "resources": manifest}


def children(directory: str) -> list[dict[str, Any]]:
    below = [uri.removeprefix(f"{directory}/").split("/") for uri in FILES if uri.startswith(f"{directory}/")]
    return [
        {"uri": f"{directory}/{n}", "name": n, "mimeType": "inode/directory" if more else "text/markdown"}
        for n, *more in below
    ]


def answer(method: str, params: dict[str, Any]) -> dict[str, Any] | None:
    uri = params.get("uri")
    if method == "initialize":
        capabilities = {"tools": {}, "resources": {}, "extensions": EXTENSIONS}
        about = {"serverInfo": {"name": NAME, "version": "1"}, "capabilities": capabilities}
        return {"protocolVersion": "2025-11-25", **about}
    if method == "tools/list":
        return {"tools": TOOLS}
    if method == "tools/call":
        text = f"{params['name']} of {NAME}"
        return {"content": [{"type": "text", "text": text}], "_meta": {"ui": UI}}
    if method == "resources/list":
        return {"resources": [{"uri": PAGE, "name": "page"}]}
    if method == "resources/templates/list":
        return {"resourceTemplates": []}
    if method == "skills/list":
        return {"skills": [entry()]}
    if method == "skills/get" and uri == f"{DIRECTORY}/SKILL.md":
        return {"skill": entry()}
    if method == "resources/directory/read" and children(str(uri)):
        return {"resources": children(str(uri))}
    pages = {PAGE: f"<p>{NAME}", **FILES}
    if method == "resources/read" and uri in pages:
        return {"contents": [{"uri": uri, "text": pages[uri]}]}
    return None


for line in sys.stdin:
    message = json.loads(line)
    if "id" not in message:
        continue
    found = answer(message["method"], message.get("params") or {})
    body = {"result": found} if found is not None else {"error": {"code": -32602, "message": "unknown"}}
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **body}), flush=True)
