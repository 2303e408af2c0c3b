"""What a configuration needs of its environment."""

from __future__ import annotations

from callmux.config.check import check_document
from callmux.daemon.variables import assigned_variables, needed_variables


def test_references_and_variables_without_a_default_are_found() -> None:
    checked = check_document(
        {
            "servers": {
                "a": {
                    "command": "${BIN}",
                    "args": ["${WITH:-default}", "$${ESCAPED}", "x${ARG}y"],
                    "env": {"K": "${VALUE}"},
                    "cwd": "${CWD}",
                    "envFile": "${ENV_DIR}/.env",
                    "envRefs": {"T": "env:TOKEN", "F": "file:x"},
                },
                "b": {"url": "https://${HOST}/", "headers": {"A": "Bearer ${HEADER}"}},
                "c": {"command": "x", "args": ["env:ARGUMENT"], "env": {"A": "env:WHOLE", "B": "env:stage"}},
                "d": {"url": "https://x/", "headers": {"A": "env:WHOLE_HEADER", "B": "keyring:k"}},
                "off": {"command": "${UNUSED}", "disabled": True},
            },
            "auth": {
                "mode": "bearer",
                "tokens": [{"id": "a", "tokenRef": "env:AUTH"}, {"id": "b", "hashRef": "env:HASH"}],
            },
        }
    )
    assert checked.errors == []
    assert needed_variables(checked.config) == [
        *("ARG", "ARGUMENT", "AUTH", "BIN", "CWD", "ENV_DIR", "HASH", "HEADER", "HOST", "TOKEN", "VALUE"),
        *("WHOLE", "WHOLE_HEADER"),
    ]


def test_what_a_file_of_variables_sets() -> None:
    assert assigned_variables("# A=1\nB=2\n C = 3\nnothing\n") == {"B", "C"}
