"""The OpenAPI document is one, and says of servers what the configuration's schema says."""

from __future__ import annotations

import json
from typing import Any

from jsonschema import Draft202012Validator

from callmux.management.openapi import description


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for inner in value.values() for found in references(inner)]
    return [found for inner in value for found in references(inner)] if isinstance(value, list) else []


def test_every_reference_leads_somewhere() -> None:
    document = description("/management/v1")
    schemas = document["components"]["schemas"]
    for reference in references(document):
        assert reference.removeprefix("#/components/schemas/") in schemas, reference
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    assert document["servers"] == [{"url": "/management/v1"}]
    json.dumps(document)


def test_each_operation_has_an_id_of_its_own_and_says_how_it_is_refused() -> None:
    operations = [
        operation
        for item in description("/m")["paths"].values()
        for method, operation in item.items()
        if method != "parameters"
    ]
    ids = [operation["operationId"] for operation in operations]
    assert len(set(ids)) == len(ids)
    assert all(
        ("403" if "requestBody" not in o and "401" not in o["responses"] else "401") in o["responses"]
        for o in operations
    )


def test_an_entry_of_a_server_is_checked() -> None:
    document = description("/m")
    server = {"$ref": "#/components/schemas/Server", "components": document["components"]}
    validator = Draft202012Validator(server)
    assert validator.is_valid({"command": "x", "args": ["y"]})
    assert not validator.is_valid({"command": "x", "args": "y"})
