"""Finds secrets by names and shapes, and hides them in what people are shown. Pure.

Called by `callmux.config.veil`, by `callmux.doctor`, `callmux.setup` and the commands of `callmux.cli`. What
is found here is a guess; what is known to be a secret (headers, `env`, `envRefs`) is hidden by
`callmux.config.veil`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from callmux.patterns import late

MASK = "[redacted]"

_SECRET_WORDS = frozenset(
    {"auth", "authorization", "bearer", "cookie", "credential", "jwt", "pass", "passphrase", "passwd"}
    | {"password", "pat", "pwd", "secret", "token"}
)
_SECRET_PAIRS = frozenset({("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key")})
_HARMLESS = frozenset(
    {
        "file",
        "path",
        "dir",
        "url",
        "uri",
        "type",
        "mode",
        "name",
        "env",
        "ref",
        "id",
        "var",
        "vars",
        "variable",
    }
)
"""Last words that say that the value is not the secret, such as in `--token-file`."""
_SECRET_FLAGS = frozenset({"-t", "-k", "-p", "-P", "-a"})
"""Short flags that often take a token, key, password or authorization."""
_HEADER_FLAGS = frozenset({"-H", "--header", "--headers"})

_WORD = late(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
_ASSIGNMENT = late(r"(-{0,2}[A-Za-z_][A-Za-z0-9_.-]*)=(.*)", re.DOTALL)
_HEADER = late(r"([A-Za-z0-9-]+):(?!//)(\s*)(.+)", re.DOTALL)
_SCHEME = late(r"\b(?:Bearer|Basic|Token)\s+([^\s\"']+)", re.IGNORECASE)
_URL = late(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>]+")
_USER = late(
    r"://(?:([^/?#\s\"'<>]{0,1000})@|(?![^/:@\s]{0,200}:\d{1,5}/)([^/:@\s\"'<>]{1,100}:[^\s\"'<>@]{0,1000})@)"
)
"""User name and password; the second form has a password with an unescaped slash, and is no port."""
_PARAMETER = late(r"[?&#;]([^=&#;\s\"'<>]+)=([^&#;\s\"'<>]+)")
_MEMBER = late(r'"([A-Za-z0-9_.-]+)"\s*:\s*"((?:[^"\\]|\\.)+)"')
_KNOWN = late(
    r"\b(?:gh[opsur]_|github_pat_|glpat-|sk-|xox[abposr]-|AKIA|AIza|eyJ)[A-Za-z0-9_.-]{16,}|\bnpm_[A-Za-z0-9]{20,}"
)
"""Tokens that give themselves away: GitHub, GitLab, OpenAI and Anthropic, Slack, AWS, Google, JWT, npm."""
_SCHEME_IN_TEXT = late(
    r"\b(?:Bearer|Basic|Token)\s+((?=[^\s\"']*\d)[A-Za-z0-9._~+/-]{8,}=*)(?![\w=\"'])", re.IGNORECASE
)
_ASSIGNMENT_IN_TEXT = late(
    r"(?<![\w?&#;./-])(-{0,2}[A-Za-z_][A-Za-z0-9_-]*)=(?![<\[{$(=])[\"']?([^\s\"',;&<>()]{4,})"
)

_REFERENCE = late(
    r"(?:(?:Bearer|Basic|Token)\s+)?\$\{(?:file:[^}]+|keyring:[^}]+|(?:env:)?[A-Za-z_][A-Za-z0-9_]*)\}"
    r"|env:[A-Za-z_][A-Za-z0-9_]*|file:\S+|keyring:\S+",
    re.I,
)
"""The name of a secret that stands elsewhere, which one wants to see."""

_MARKS = ("gh", "glpat-", "sk-", "xox", "AKIA", "AIza", "eyJ", "npm_")
"""One of these begins whatever `_KNOWN` finds."""
_HINTS = (
    "auth",
    "bearer",
    "basic",
    "cookie",
    "credential",
    "jwt",
    "pass",
    "pat",
    "pwd",
    "secret",
    "token",
    "key",
)
"""One of these is in every name of a secret."""

Span = tuple[int, int]


def is_secret_key(key: str, *, strict: bool = False) -> bool:
    """Whether the value of a variable, flag, header or parameter of this name is a secret.

    Words are told apart at `-`, `_` and capitals, and the plural counts: `apiKey`, `MY_TOKENS`, `x-api-key`.

    Args:
        strict: Whether this holds also where the last word says that the value itself is none, such as in
            `tokenFile`.
    """
    words = [word.lower() for word in _WORD().findall(key)]
    if not strict and words and words[-1] in _HARMLESS:
        return False
    singular = [word[:-1] if word.endswith("s") and word[:-1] else word for word in words]
    pairs = set(pairwise(singular))
    found = {*words, *singular}
    return bool(
        found & _SECRET_WORDS
        or pairs & _SECRET_PAIRS
        or any(w.endswith(("password", "apikey")) for w in found)
    )


def is_reference(value: str) -> bool:
    """Whether a value only names where a secret stands: `${TOKEN}`, `Bearer ${file:token}`."""
    return _REFERENCE().fullmatch(value) is not None


def mask_command(words: Sequence[str]) -> list[str]:
    """A command line with its secrets hidden.

    Hidden are the value after a secret flag (`--token x`, also short ones such as `-t x`), `KEY=value` and
    `--key=value` of a secret key, secret headers (`-H "Authorization: Bearer x"`), secret members of JSON,
    user names, passwords and secret parameters of URLs, and tokens of a well-known shape.
    """
    befores = ["", *words]
    return [_masked(word, _spans(before, word)) for before, word in zip(befores, words, strict=False)]


def shown_command(words: Sequence[str]) -> str:
    """A command line with its secrets hidden; what has blanks or quotes, or is empty, stands in quotes."""
    return " ".join(map(_quoted, mask_command(words)))


def _quoted(word: str) -> str:
    if re.fullmatch(r"[^\s'\"]+", word):
        return word
    from shlex import quote

    # With double quotes, a single quote needs no escape; what they do not protect does.
    return f'"{word}"' if "'" in word and not re.search(r'["$`\\!]', word) else quote(word)


def secrets_of_command(words: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """The secrets of a command line, and whether each is one for sure: after a short flag it is a guess."""
    for before, word in zip(["", *words], words, strict=False):
        sure = before not in _SECRET_FLAGS
        for start, end in _spans(before, word):
            yield word[start:end], sure
        for secret in secrets_of_url(word) if "://" in word else ():
            yield secret, True


def mask_url(url: str) -> str:
    """A URL without user name, password and the values of secret parameters."""
    return _masked(url, _in_url(url) + _known(url))


def secrets_of_url(url: str) -> Iterator[str]:
    """The secrets of a URL; user name and password both together and alone."""
    for start, end in _in_url(url):
        yield url[start:end]
    for match in _USER().finditer(url):
        user, sign, password = (match[1] or match[2] or "").partition(":")
        yield password if sign else user


def mask_text(text: str) -> str:
    """Any text, without secrets that show by their form: URLs with a password, bearer tokens, `TOKEN=x`.

    Servers write much to their stderr: what cannot be there is not looked for.
    """
    found = _known(text)
    if "://" in text and "@" in text:
        found += _users(text)
    lower = text.lower()
    if any(hint in lower for hint in _HINTS):
        if "=" in text:
            found += _keyed(_ASSIGNMENT_IN_TEXT(), text)
            found += _keyed(_PARAMETER(), text) if "://" in text else []
        if '"' in text:
            found += _keyed(_MEMBER(), text)
        found += _all(_SCHEME_IN_TEXT(), text, 1)
    return _masked(text, found) if found else text


def _masked(text: str, spans: Sequence[Span]) -> str:
    """The text with `MASK` in place of each span; spans that touch or overlap become one."""
    shown, at = [], 0
    for start, end in sorted(spans):
        if _REFERENCE().fullmatch(text, start, end):
            continue
        if start >= at:
            shown += [text[at:start], MASK]
        at = max(at, end)
    return "".join([*shown, text[at:]]) if shown else text


def _all(pattern: re.Pattern[str], text: str, group: int) -> list[Span]:
    return [match.span(group) for match in pattern.finditer(text)]


def _known(text: str) -> list[Span]:
    return _all(_KNOWN(), text, 0) if any(mark in text for mark in _MARKS) else []


def _keyed(pattern: re.Pattern[str], text: str) -> list[Span]:
    return [match.span(2) for match in pattern.finditer(text) if is_secret_key(match[1])]


def _in_url(text: str) -> list[Span]:
    return _users(text) + _keyed(_PARAMETER(), text)


def _users(text: str) -> list[Span]:
    users = [m.span(1) if m[1] is not None else m.span(2) for m in _USER().finditer(text)]
    return [span for span in users if span[0] < span[1]]


def _spans(before: str, word: str) -> list[Span]:
    """Where the secrets of one word of a command line are."""
    if _is_secret_value(before, word):
        return [(0, len(word))]
    if before in ("-u", "--user") and ":" in word:
        return [(word.index(":") + 1, len(word))]
    return _in_word(word)


def _is_secret_value(flag: str, word: str) -> bool:
    if not flag.startswith("-") or word.startswith("-") or not word:
        return False
    if flag in _SECRET_FLAGS:
        # A port, a path, a package or an address is not hidden after a short flag.
        return not (re.fullmatch(r"[0-9]{1,6}", word) or re.search(r"[/:@]", word) or word in (".", ".."))
    return "=" not in flag and flag not in _HEADER_FLAGS and is_secret_key(flag)


def _in_word(word: str) -> list[Span]:
    if "=" in word and (match := _ASSIGNMENT().fullmatch(word)):
        key, value = match.groups()
        if key not in _HEADER_FLAGS and is_secret_key(key) and value:
            return [match.span(2)]
        return [(start + match.start(2), end + match.start(2)) for start, end in _in_word(value)]
    if ":" in word and (match := _HEADER().fullmatch(word)) and is_secret_key(match[1]):
        return [match.span(3)]
    inside: list[Span] = []
    if "://" in word:
        for url in _URL().finditer(word):
            inside += [(url.start() + start, url.start() + end) for start, end in _in_url(url[0])]
    if '"' in word:
        inside += _keyed(_MEMBER(), word)
    if len(word.split()) > 1:
        inside += _all(_SCHEME(), word, 1)
    return inside + _known(word)
