"""Hides secrets in what people are shown: keys, command lines, URLs. Pure.

Called by `callmux.cli.server`, `callmux.doctor` and whoever shows a server entry. What is hidden here is a
guess by names and shapes; values of `env` and `headers` are never shown at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from urllib.parse import urlsplit, urlunsplit

MASK = "[redacted]"
_URL_MASK = "%5Bredacted%5D"

_SECRET_WORDS = frozenset(
    {"auth", "authorization", "bearer", "cookie", "credential", "jwt", "pass", "passphrase", "passwd"}
    | {"password", "pat", "pwd", "secret", "token"}
)
_SECRET_PAIRS = frozenset({("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key")})
_HARMLESS = frozenset({"file", "path", "dir", "url", "uri", "type", "mode", "name", "env", "ref", "id"})
"""Last words that say that the value is not the secret, such as in `--token-file`."""
_SECRET_FLAGS = frozenset({"-t", "-k", "-p", "-P", "-a"})
"""Short flags that often take a token, key, password or authorization."""
_HEADER_FLAGS = frozenset({"-H", "--header", "--headers"})

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_ASSIGNMENT = re.compile(r"(-{0,2}[A-Za-z_][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_HEADER = re.compile(r"([A-Za-z0-9-]+):(?!//)(\s*)(.+)", re.DOTALL)
_SCHEME = re.compile(r"\b(Bearer|Basic|Token)(\s+)[^\s\"']+", re.IGNORECASE)
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]+")
_KNOWN = re.compile(
    r"\b(?:gh[opsur]_|github_pat_|glpat-|sk-|xox[abposr]-|AKIA|AIza|eyJ)[A-Za-z0-9_.-]{16,}|\bnpm_[A-Za-z0-9]{20,}"
)
"""Tokens that give themselves away: GitHub, GitLab, OpenAI and Anthropic, Slack, AWS, Google, JWT, npm."""


def is_secret_key(key: str) -> bool:
    """Whether the value of a variable, flag, header or parameter of this name is a secret.

    Words are told apart at `-`, `_` and capitals, and the plural counts: `apiKey`, `MY_TOKENS`, `x-api-key`.
    """
    words = [word.lower() for word in _WORD.findall(key)]
    if words and words[-1] in _HARMLESS:
        return False
    singular = [word[:-1] if word.endswith("s") and word[:-1] else word for word in words]
    pairs = set(pairwise(singular))
    found = {*words, *singular}
    return bool(
        found & _SECRET_WORDS
        or pairs & _SECRET_PAIRS
        or any(w.endswith(("password", "apikey")) for w in found)
    )


def mask_command(words: Sequence[str]) -> list[str]:
    """A command line with its secrets hidden.

    Hidden are the value after a secret flag (`--token x`, also short ones such as `-t x`), `KEY=value` and
    `--key=value` of a secret key, secret headers (`-H "Authorization: Bearer x"`), user names, passwords and
    secret parameters of URLs, and tokens of a well-known shape.
    """
    shown: list[str] = []
    before = ""
    for word in words:
        if _is_secret_value(before, word):
            shown.append(MASK)
        elif before in ("-u", "--user") and ":" in word:
            shown.append(f"{word.partition(':')[0]}:{MASK}")
        else:
            shown.append(_mask_word(word))
        before = word
    return shown


def mask_url(url: str) -> str:
    """A URL without user name, password and the values of secret parameters."""
    try:
        parts = urlsplit(url)
        netloc = parts.netloc
    except ValueError:
        return MASK
    if "@" in netloc:
        user, _, host = netloc.rpartition("@")
        netloc = (f"{_URL_MASK}:{_URL_MASK}" if ":" in user else _URL_MASK) + f"@{host}"
    query, fragment = _mask_query(parts.query), _mask_query(parts.fragment)
    return _mask_known(urlunsplit(parts._replace(netloc=netloc, query=query, fragment=fragment)))


def _mask_query(query: str) -> str:
    pairs = [pair.partition("=") for pair in query.split("&")]
    return "&".join(
        f"{key}={_URL_MASK}" if sign and is_secret_key(key) else key + sign + value
        for key, sign, value in pairs
    )


def _is_secret_value(flag: str, word: str) -> bool:
    if not flag.startswith("-") or word.startswith("-") or not word:
        return False
    if flag in _SECRET_FLAGS:
        # A port, a path, a package or an address is not hidden after a short flag.
        return not (re.fullmatch(r"[0-9]{1,6}", word) or re.search(r"[/:@]", word) or word in (".", ".."))
    return "=" not in flag and flag not in _HEADER_FLAGS and is_secret_key(flag)


def _mask_word(word: str) -> str:
    if match := _ASSIGNMENT.fullmatch(word):
        key, value = match.groups()
        if key not in _HEADER_FLAGS and is_secret_key(key) and value:
            return f"{key}={MASK}"
        return f"{key}={_mask_word(value)}" if value else word
    if (match := _HEADER.fullmatch(word)) and is_secret_key(match[1]):
        return f"{match[1]}:{match[2]}{MASK}"
    return _mask_known(_SCHEME.sub(rf"\1\2{MASK}", _URL.sub(lambda url: mask_url(url[0]), word)))


def _mask_known(text: str) -> str:
    return _KNOWN.sub(MASK, text)
