"""What one value of the configuration may be: its reader, its wording, its JSON Schema. Pure.

Used by the sections (`servers`, `traffic`, ...) in their annotations, called by `callmux.config.check`. Types
are strict: `"5"` is no number and `1` is no boolean; only a whole float such as `5.0` passes as an integer.
"""

from __future__ import annotations

import os.path
import re
from collections.abc import Callable
from typing import Annotated, Any, TypeAlias

import msgspec

from callmux.config.references import REFERENCES, SCHEMES
from callmux.fields import MAX_TIMEOUT_MS
from callmux.patterns import late

MAX_INTEGER = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly."""

ENV_NAME = late(r"[A-Za-z_][A-Za-z0-9_]*")
_HEADER_NAME = late(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PREFIX = late(r"[A-Za-z0-9_]*")
_SCRYPT = late(r"scrypt\$([0-9]{1,7})\$([0-9]{1,2})\$([0-9]{1,2})\$([A-Za-z0-9_-]+)\$([A-Za-z0-9_-]+)")


class Refused(ValueError):
    """The value cannot be used; the text says what it must be, without the key."""


class Ignored(ValueError):
    """The value is left out as if it were absent; the text is a warning, without the key."""


class Kind(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What one value may be.

    Attributes:
        read: The value as the model holds it; raises `Refused` or `Ignored`.
        schema: The same in JSON Schema.
    """

    read: Callable[[object], object]
    schema: dict[str, Any]


def text(value: object) -> str:
    if not isinstance(value, str):
        raise Refused("must be a string")
    return value


def non_blank(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Refused("must be a non-empty string")
    return value


def _integer(minimum: int, maximum: int, phrase: str) -> Kind:
    def read(value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
            raise Refused(f"must be a {phrase} integer")
        if value > maximum:
            note = " milliseconds, which is about 24 days" if maximum == MAX_TIMEOUT_MS else ""
            raise Refused(f"must be at most {maximum}{note}")
        return value

    return Kind(read=read, schema={"type": "integer", "minimum": minimum, "maximum": maximum})


def _one_of(*choices: str) -> Kind:
    quoted = [f'"{choice}"' for choice in choices]
    if len(quoted) > 2:
        quoted[-1] = f"or {quoted[-1]}"
    expectation = "must be " + (", " if len(quoted) > 2 else " or ").join(quoted)

    def read(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise Refused(expectation)
        return value

    return Kind(read=read, schema={"type": "string", "enum": list(choices)})


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise Refused("must be a boolean")
    return value


def _ratio(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise Refused("must be a number between 0 and 1")
    return float(value)


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Refused("must be an object")
    return value


def _prefix(value: object) -> str:
    if not _PREFIX().fullmatch(text(value)):
        raise Refused('must contain only letters, digits, and underscores (or "" to drop the prefix)')
    return text(value)


def _header_name(value: object) -> str:
    name = text(value).strip()
    if not _HEADER_NAME().fullmatch(name):
        raise Refused("must be a valid HTTP header name")
    return name.lower()


def _directory(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise Refused("must be a non-empty path")
    return value.strip()


def _absolute(value: object) -> str:
    path = non_blank(value).strip()
    if not os.path.isabs(path):
        raise Refused("must be an absolute path")
    return path


def _url_path(value: object) -> str:
    path = non_blank(value).strip()
    return path if path.startswith("/") else f"/{path}"


def _mount_path(value: object) -> str:
    return _url_path(value).rstrip("/") or "/"


def _environment_reference(value: object) -> str:
    reference = text(value).strip()
    scheme, _, rest = reference.partition(":")
    if scheme == "env":
        if not ENV_NAME().fullmatch(rest):
            raise Refused("env reference must name a valid environment variable")
    elif scheme == "file":
        if not rest.strip():
            raise Refused("file reference must include a path")
    elif scheme in ("keyring", "cmd"):
        if not rest.strip():
            raise Refused(f"{scheme} reference must include a {'name' if scheme == 'keyring' else 'command'}")
    else:
        raise Refused(f"must use {REFERENCES}")
    return reference


def _secret_reference(value: object) -> str:
    reference = non_blank(value).strip()
    scheme, _, rest = reference.partition(":")
    if scheme not in SCHEMES or not rest.strip():
        raise Refused(f"must use supported secret refs: {REFERENCES}")
    return reference


def scrypt_hash(value: object) -> str:
    """`scrypt$N$r$p$salt$key`: N a power of two up to 2^20, r up to 32, p up to 16."""
    match = _SCRYPT().fullmatch(value) if isinstance(value, str) else None
    if match:
        cost, block, parallel = int(match[1]), int(match[2]), int(match[3])
        power = 2 <= cost <= 2**20 and not cost & (cost - 1)
        # A base64 text whose length is 1 more than a multiple of 4 decodes to nothing.
        decodable = all(len(match[n]) % 4 != 1 for n in (4, 5))
        if power and 1 <= block <= 32 and 1 <= parallel <= 16 and decodable:
            if 128 * cost * block >= 2**31 - 2**24:
                raise Refused(
                    "is a scrypt hash that takes more than 2 GB to compare: choose a smaller N or r"
                )
            return match[0]
    raise Refused("must be a valid scrypt hash (scrypt$N$r$p$salt$key)")


def _network(value: object) -> str:
    from ipaddress import ip_network

    if isinstance(value, str):
        network = value.strip()
        _, slash, bits = network.partition("/")
        if not slash or re.fullmatch(r"[0-9]{1,3}", bits):
            try:
                ip_network(re.sub(r"%[^/]*", "", network), strict=False)
            except ValueError:
                pass
            else:
                return network
    raise Refused("must be valid CIDR or IP values")


def _audience(value: object) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if isinstance(names, list) and names and all(isinstance(name, str) and name.strip() for name in names):
        return tuple(names)
    raise Refused("must be a non-empty string or non-empty string array")


def _url(value: object) -> str:
    from urllib.parse import urlsplit

    url = non_blank(value).strip()
    try:
        parts = urlsplit(url)
        usable = bool(parts.scheme and parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise Refused("must be a valid URL")
    return url


def _resource_url(value: object) -> str:
    from urllib.parse import urlsplit

    url = _url(value)
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or parts.query or parts.fragment or "@" in parts.netloc:
        raise Refused("must be an http or https address without query, fragment and user")
    if not url.isascii() or not url.isprintable() or set(url) & set('"\\<> '):
        raise Refused("must be written in ASCII, without blanks and quotes")
    return url


SERVER_TYPES = ("stdio", "http", "streamable-http", "sse")


def _server_type(value: object) -> str:
    if value not in SERVER_TYPES:
        raise Ignored(f'is ignored: callmux knows {", ".join(SERVER_TYPES)} (it is "{value}")')
    return text(value)


_STRING: dict[str, Any] = {"type": "string"}
_FILLED: dict[str, Any] = {"type": "string", "pattern": r"\S"}
_positive = _integer(1, MAX_INTEGER, "positive")


def _positive_or_null(value: object) -> object:
    return None if value is None else _positive.read(value)


Flag: TypeAlias = Annotated[bool, Kind(read=_flag, schema={"type": "boolean"})]
Positive: TypeAlias = Annotated[int, _positive]
NonNegative: TypeAlias = Annotated[int, _integer(0, MAX_INTEGER, "non-negative")]
Milliseconds: TypeAlias = Annotated[int, _integer(1, MAX_TIMEOUT_MS, "positive")]
Attempts: TypeAlias = Annotated[
    int | None,
    Kind(
        read=_positive_or_null,
        schema={"type": ["integer", "null"], "minimum": 1, "maximum": MAX_INTEGER},
    ),
]
Ratio: TypeAlias = Annotated[float, Kind(read=_ratio, schema={"type": "number", "minimum": 0, "maximum": 1})]
Text: TypeAlias = Annotated[str, Kind(read=text, schema=_STRING)]
NonBlank: TypeAlias = Annotated[str, Kind(read=non_blank, schema=_FILLED)]
Json: TypeAlias = Annotated[
    Any,
    Kind(
        read=lambda value: value,
        schema={"type": ["string", "number", "boolean", "object", "array", "null"]},
    ),
]
JsonObject: TypeAlias = Annotated[dict[str, Any], Kind(read=_object, schema={"type": "object"})]
Directory: TypeAlias = Annotated[str, Kind(read=_directory, schema=_FILLED)]
AbsolutePath: TypeAlias = Annotated[str, Kind(read=_absolute, schema=_FILLED)]
UrlPath: TypeAlias = Annotated[str, Kind(read=_url_path, schema=_FILLED)]
MountPath: TypeAlias = Annotated[str, Kind(read=_mount_path, schema=_FILLED)]
Url: TypeAlias = Annotated[str, Kind(read=_url, schema=_FILLED)]
ResourceUrl: TypeAlias = Annotated[str, Kind(read=_resource_url, schema=_FILLED)]
Prefix: TypeAlias = Annotated[
    str, Kind(read=_prefix, schema={"type": "string", "pattern": "^[A-Za-z0-9_]*$"})
]
HeaderName: TypeAlias = Annotated[str, Kind(read=_header_name, schema=_FILLED)]
_REFERENCE = {"type": "string", "pattern": rf"^\s*({'|'.join(SCHEMES)}):"}
EnvironmentReference: TypeAlias = Annotated[str, Kind(read=_environment_reference, schema=_REFERENCE)]
SecretReference: TypeAlias = Annotated[str, Kind(read=_secret_reference, schema=_REFERENCE)]
ScryptHash: TypeAlias = Annotated[
    str,
    Kind(
        read=scrypt_hash,
        schema={"type": "string", "pattern": r"^scrypt\$[0-9]+\$[0-9]+\$[0-9]+\$[^$]+\$[^$]+$"},
    ),
]
Network: TypeAlias = Annotated[str, Kind(read=_network, schema=_FILLED)]
Audience: TypeAlias = Annotated[
    tuple[str, ...],
    Kind(read=_audience, schema={"anyOf": [_FILLED, {"type": "array", "minItems": 1, "items": _FILLED}]}),
]
ServerType: TypeAlias = Annotated[str, Kind(read=_server_type, schema={"examples": list(SERVER_TYPES)})]
OutputFormat: TypeAlias = Annotated[str, _one_of("json", "toon", "auto", "plain", "shortest")]
Persona: TypeAlias = Annotated[
    str, _one_of("auto", "none", "claude-code", "codex", "gemini", "code", "searching")
]
Preset: TypeAlias = Annotated[str, _one_of("lean")]
Transport: TypeAlias = Annotated[str, _one_of("streamable-http", "sse")]
CwdMode: TypeAlias = Annotated[str, _one_of("global", "session")]
Detached: TypeAlias = Annotated[str, _one_of("end", "leave")]
Start: TypeAlias = Annotated[str, _one_of("eager", "lazy")]
Compression: TypeAlias = Annotated[str, _one_of("off", "balanced", "aggressive")]
Preview: TypeAlias = Annotated[str, _one_of("sample", "beginning")]
Tier: TypeAlias = Annotated[str, _one_of("read", "write", "destroy")]
Effect: TypeAlias = Annotated[str, _one_of("allow", "deny")]
OnUnavailable: TypeAlias = Annotated[str, _one_of("closed", "open")]
OnMappingMissing: TypeAlias = Annotated[str, _one_of("continue", "fail")]
AuthMode: TypeAlias = Annotated[str, _one_of("bearer", "oidc_jwt")]
JsonType: TypeAlias = Annotated[str, _one_of("string", "number", "integer", "boolean", "object", "array")]
RecipeMode: TypeAlias = Annotated[str, _one_of("call", "parallel", "batch", "pipeline")]
OAuthGrant: TypeAlias = Annotated[str, _one_of("authorization_code", "device_code", "client_credentials")]
ClientAuthMethod: TypeAlias = Annotated[
    str, _one_of("none", "client_secret_basic", "client_secret_post", "private_key_jwt")
]
SignIn: TypeAlias = Annotated[str, _one_of("own", "shared")]
Port: TypeAlias = Annotated[int, _integer(1, 65535, "positive")]
Algorithm: TypeAlias = Annotated[str, _one_of("RS256", "RS384", "RS512", "ES256", "ES384", "ES512")]
