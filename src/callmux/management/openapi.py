"""What the management interface is, as OpenAPI 3.1. Pure.

Served by `callmux.management.api`; the entries of servers are those of the configuration's own JSON Schema.
"""

from __future__ import annotations

from typing import Any

from callmux import __version__
from callmux.config.schema import config_schema

_NAMES = {"type": "array", "items": {"type": "string"}}
_DRY = {"type": "boolean", "description": "Only say what the configuration would be."}
_STATE: dict[str, Any] = {"type": "object", "description": "The state of a server, as callmux_status has it."}
_SCHEMAS: dict[str, Any] = {
    "Error": {
        "type": "object",
        "required": ["error"],
        "properties": {"error": {"type": "string"}, "requestId": {"type": "string"}},
    },
    "Managed": {
        "type": "object",
        "required": ["name", "config", "managed", "tools"],
        "properties": {
            "name": {"type": "string"},
            "config": {"type": "object", "description": "Its entry without secrets."},
            "managed": {"type": "boolean", "description": "It was added or changed here."},
            "runtime": _STATE,
            "tools": _NAMES,
        },
    },
    "Servers": {
        "type": "object",
        "required": ["servers"],
        "properties": {"servers": {"type": "array", "items": {"$ref": "#/components/schemas/Managed"}}},
    },
    "Status": {
        "type": "object",
        "required": ["management", "runtime", "servers"],
        "properties": {
            "management": {
                "type": "object",
                "required": ["enabled", "path", "persistent", "overlayServers"],
                "properties": {
                    "enabled": {"type": "boolean"},
                    "path": {"type": "string"},
                    "statePath": {"type": "string"},
                    "persistent": {"type": "boolean"},
                    "overlayUpdatedAt": {"type": "string", "format": "date-time"},
                    "overlayServers": _NAMES,
                },
            },
            "runtime": {"type": "object"},
            "servers": {"type": "array", "items": {"$ref": "#/components/schemas/Managed"}},
        },
    },
    "Config": {"type": "object", "description": "The configuration in force, without secrets."},
    "Done": {
        "type": "object",
        "required": ["action", "server"],
        "properties": {
            "action": {"enum": ["added", "updated", "deleted", "restarted", "stopped", "started"]},
            "server": {"type": "string"},
            "state": {"type": "string"},
            "nodes": {**_NAMES, "description": "The other nodes that were told."},
            "problem": {"type": "string", "description": "Why other nodes were not told."},
        },
    },
    "Preview": {
        "type": "object",
        "required": ["dryRun", "action", "server", "config"],
        "properties": {
            "dryRun": {"const": True},
            "action": {"enum": ["add_server", "patch_server", "delete_server"]},
            "server": {"type": "string"},
            "config": {"$ref": "#/components/schemas/Config"},
        },
    },
    "Cleared": {
        "type": "object",
        "required": ["action", "cache"],
        "properties": {
            "action": {"const": "cache_cleared"},
            "tool": {"type": "string"},
            "server": {"type": "string"},
            "cache": {"type": "object"},
        },
    },
    "Added": {
        "type": "object",
        "required": ["name", "config"],
        "additionalProperties": False,
        "properties": {
            "name": {"type": "string"},
            "config": {"$ref": "#/components/schemas/Server"},
            "dryRun": _DRY,
        },
    },
    "Changed": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "config": {"$ref": "#/components/schemas/Server"},
            "tools": _NAMES,
            "addTools": _NAMES,
            "removeTools": _NAMES,
            "disabled": {"type": "boolean"},
            "dryRun": _DRY,
        },
    },
    "Ordered": {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "node": {"type": "string", "description": "The one node that it is for; all where absent."}
        },
    },
    "Nodes": {
        "type": "object",
        "required": ["nodes"],
        "properties": {
            "nodes": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
            "away": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
        },
    },
    "Node": {
        "type": "object",
        "required": ["id", "name", "state", "version"],
        "properties": {
            "id": {"type": "string"},
            "name": {"type": "string"},
            "state": {"enum": ["up", "leaving", "away"]},
            "version": {"type": "string"},
            "sessions": {"type": "integer"},
            "servers": {"type": "object", "additionalProperties": {"type": "string"}},
            "self": {"const": True},
        },
    },
    "Chosen": {
        "type": "object",
        "additionalProperties": False,
        "properties": {"tool": {"type": "string"}, "server": {"type": "string"}},
    },
}
_ERRORS = {
    400: "The request cannot be carried out; nothing was changed",
    401: "It needs a token of management.auth",
    403: "It may not be read",
    404: "There is no such server or page",
    409: "The server is disabled",
    429: "Too many requests",
}


def description(base: str) -> dict[str, Any]:
    """The document.

    Args:
        base: The path of the interface.
    """
    name = [{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}]
    dry = [{"name": "dryRun", "in": "query", "schema": {"enum": ["true", "false"]}}]
    paths: dict[str, Any] = {
        "/status": {"get": _page("status", "What runs", "Status")},
        "/config/effective": {"get": _page("effectiveConfig", "The configuration in force", "Config")},
        "/servers": {
            "get": _page("servers", "All servers", "Servers"),
            "post": _act("addServer", "Adds or replaces a server", {201: "Done", 200: "Preview"}, "Added"),
        },
        "/servers/{name}": {
            "parameters": name,
            "patch": _act("updateServer", "Changes a server", {200: "Done|Preview"}, "Changed"),
            "delete": {
                "parameters": dry,
                **_act("removeServer", "Removes a server", {200: "Done|Preview"}),
            },
        },
        **{
            f"/servers/{{name}}/{action}": {
                "parameters": name,
                "post": _act(f"{action}Server", f"{about} a server", {200: "Done"}, "Ordered"),
            }
            for action, about in (("restart", "Restarts"), ("stop", "Stops"), ("start", "Starts"))
        },
        "/nodes": {"get": _page("nodes", "The listeners that are one", "Nodes")},
        "/cache/clear": {"post": _act("clearCache", "Forgets results", {200: "Cleared"}, "Chosen")},
        "/openapi.json": {"get": _page("openapi", "This document", "Config")},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "callmux management", "version": __version__},
        "servers": [{"url": base}],
        "security": [{"bearer": []}, {"header": []}],
        "paths": paths,
        "components": {
            "schemas": {**_SCHEMAS, **_of_servers()},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "x-callmux-management-token"},
            },
        },
    }


def _page(id: str, about: str, schema: str) -> dict[str, Any]:
    return {"operationId": id, "summary": about, "responses": _answers({200: schema}, (403, 404, 429))}


def _act(id: str, about: str, good: dict[int, str], body: str | None = None) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": id,
        "summary": about,
        "responses": _answers(good, (400, 401, 404, 409, 429)),
    }
    if body is not None:
        content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{body}"}}}
        operation["requestBody"] = {"content": content, "required": body not in ("Chosen", "Ordered")}
    return operation


def _answers(good: dict[int, str], bad: tuple[int, ...]) -> dict[str, Any]:
    found = {}
    for status, names in good.items():
        refs = [{"$ref": f"#/components/schemas/{name}"} for name in names.split("|")]
        schema = refs[0] if len(refs) == 1 else {"anyOf": refs}
        found[str(status)] = {"description": "Done", "content": {"application/json": {"schema": schema}}}
    for status in bad:
        content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
        found[str(status)] = {"description": _ERRORS[status], "content": content}
    return found


def _of_servers() -> dict[str, Any]:
    """The schema of a server's entry, and those that it refers to, under the names they have there."""
    whole = config_schema()
    entry = whole["properties"]["servers"]["additionalProperties"]
    return {"Server": _moved(entry), **{name: _moved(one) for name, one in whole.get("$defs", {}).items()}}


def _moved(schema: Any) -> Any:
    if isinstance(schema, dict):
        return {
            key: value.replace("#/$defs/", "#/components/schemas/")
            if key == "$ref" and isinstance(value, str)
            else _moved(value)
            for key, value in schema.items()
        }
    return [_moved(one) for one in schema] if isinstance(schema, list) else schema
