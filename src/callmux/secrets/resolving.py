"""From a reference to its value: `env:`, `file:`, `keyring:` and `cmd:`.

`resolve` is called by `callmux.config.load` for tokens of a listener; `values_of` and `filled_in` whenever a
server is connected, by `callmux.upstream.links.opening`, or by `callmux.secrets.lookup` where somebody else
must be asked. No value is kept here, and no message holds one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from callmux.config.references import LITERAL, Reference, Template
from callmux.config.secrets import referenced_file, resolve_reference
from callmux.config.servers import HttpServer
from callmux.errors import SecretError

SLOW = ("keyring", "cmd")
"""What somebody else is asked for: it may take its time."""


def resolve(
    reference: str,
    base_dir: Path,
    env: Mapping[str, str],
    seconds: float | None = None,
    given_up: Callable[[], bool] | None = None,
) -> str:
    """The value behind a reference, less one final line end.

    Args:
        reference: Such as `keyring:github`.
        base_dir: What a relative path starts from, and where commands run: the directory of the
            configuration file.
        env: The variables there are.
        seconds: How long a command may take.
        given_up: Says that nobody waits any more.

    Raises:
        SecretError: There is no value, or it is empty.
    """
    scheme, _, rest = reference.strip().partition(":")
    if scheme == "keyring" and rest.strip():
        from callmux.secrets.vault import vault_of

        return vault_of(env).get(rest.strip())
    if scheme == "cmd" and rest.strip():
        from callmux.secrets import command

        return command.output_of(rest, base_dir, env, seconds or command.SECONDS, given_up)
    return resolve_reference(reference, base_dir, env)


def is_slow(template: Template) -> bool:
    """Whether somebody else is asked for a part of it."""
    return any(isinstance(part, Reference) and part.scheme in SLOW for part in template)


def values_of(
    templates: Mapping[str, Template],
    base_dir: Path,
    env: Mapping[str, str],
    given_up: Callable[[], bool] | None = None,
) -> dict[str, tuple[str, list[str]]]:
    """What templates come to, by their paths: the value, and the secrets in it.

    Raises:
        SecretError: One gives no value; names its path.
    """
    found = {}
    for path, template in templates.items():
        try:
            found[path] = _value(path, template, base_dir, env, given_up)
        except SecretError as error:
            raise SecretError(f"{path}: {error.message}{_advice(template)}") from None
    return found


def filled_in(config: HttpServer, values: Mapping[str, tuple[str, list[str]]]) -> HttpServer:
    """The entry with what its references in headers and URL came to.

    Args:
        values: As `values_of` gives them.
    """
    texts = {path: text for path, (text, _) in values.items()}
    headers = {key: texts.get(f"headers.{key}", value) for key, value in config.headers.items()}
    return msgspec.structs.replace(config, headers=headers, url=texts.get("url", config.url))


def _value(
    path: str,
    template: Template,
    base_dir: Path,
    env: Mapping[str, str],
    given_up: Callable[[], bool] | None,
) -> tuple[str, list[str]]:
    texts: list[str] = []
    secrets: list[str] = []
    for part in template:
        if isinstance(part, str):
            texts.append(part)
            continue
        if (file := referenced_file(str(part), base_dir)) is not None and file.is_dir():
            # A package or a place, as `npx file:../server` names one: no secret is a directory.
            texts.append(str(part))
            continue
        secret = resolve(str(part), base_dir, env, given_up=given_up)
        secrets.append(secret)
        texts.append(secret)
    value = "".join(texts)
    if path.startswith("headers.") and any(mark in value for mark in "\r\n"):
        raise SecretError("the value has several lines, which no header can have")
    if path.startswith("headers.") and any((c < " " and c != "\t") or c == "\x7f" for c in value):
        raise SecretError("the value has a control character, which no header can have")
    return value, secrets


def _advice(template: Template) -> str:
    if len(template) == 1 and isinstance(template[0], Reference):
        scheme = template[0].scheme
        return f'. If the text itself is meant, write "{LITERAL}{scheme}:..."'
    return ""
