"""Hides the secrets of the configuration, and what looks like one, in every text that leaves callmux. Pure.

A `Veil` is made for each server by `callmux.config.server_secrets` and goes over everything that is said
about that server: its stderr, reasons, errors. `EVERYWHERE` knows the secrets of all servers of this process
and goes over the log and over crash output (`callmux.cli.process`).

What is a secret for sure (the value of a header, of `envRefs`, of a key such as `token`) is hidden in each of
its spellings and also where only its beginning is shown. Other configured values (of `env` and `${VAR}`) are
hidden as a whole, unless they are ordinary: a path, a port, a word such as `production`.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from binascii import Error as NotBase64
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import quote, quote_plus

from callmux.config.redact import MASK, mask_text
from callmux.patterns import late

SHORTEST = 4
"""Characters below which no value is hidden: it is part of any text."""
BOUNDED = 8
"""Characters below which a value is hidden only where it stands as a word of its own."""
LEAST_PART = 8
"""Characters of the beginning of a secret that are hidden where the rest is missing."""
PARTED = 16
"""Characters from which on a secret is looked for in part, too."""
LEAST_LISTED = 12
"""Characters from which on a value is hidden in what servers list: with digits and letters, it is no word."""
MOST_LEARNED = 16
MOST_KNOWN = 2000
"""Secrets that are known everywhere; credentials that clients forward come and go."""

_ORDINARY_WORDS = frozenset(
    [
        "true",
        "false",
        "none",
        "null",
        "yes",
        "no",
        "on",
        "off",
        "auto",
        "default",
        "test",
        "testing",
        "dev",
        "development",
        "prod",
        "production",
        "staging",
        "local",
        "localhost",
        "info",
        "debug",
        "warn",
        "warning",
        "error",
        "trace",
        "silent",
        "verbose",
        "json",
        "text",
        "utf-8",
        "http",
        "https",
        "stdio",
        "node",
        "python",
        "bearer",
        "basic",
        "token",
        "secret",
        "password",
        "changeme",
        "admin",
        "root",
        "user",
        "memory",
        "disk",
        "redis",
        "sqlite",
        "postgres",
    ]
)
_ORDINARY = late(
    r"[\d.,:]{1,6}|\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?|(?:~|\.{1,2})?/[\w@.,+ /:-]*|[A-Za-z]:\\.*"
    r"|https?://[\w.:-]+(?:/[\w./-]*)?|[\w-]+\.(?:local|localhost)|[a-z]{2}_[A-Z]{2}\.UTF-8"
)

HARMLESS_HEADERS = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "user-agent"})
_SCHEME = late(r"(?:Bearer|Basic|Token|Digest|ApiKey)\s+(.+)", re.IGNORECASE | re.DOTALL)


class Veil:
    """Hides secrets in texts.

    Args:
        certain: Values that are secrets for sure.
        likely: Values that may be; ordinary ones are left out.
    """

    def __init__(self, certain: Iterable[str] = (), likely: Iterable[str] = ()) -> None:
        self.certain = frozenset(
            line for value in certain for line in _lines(value) if line.lower() not in _ORDINARY_WORDS
        )
        possible = {line for value in likely for line in _lines(value) if not is_ordinary(line)}
        forms = {form for value in self.certain for form in _forms(value)} | (possible - self.certain)
        ordered = sorted(forms, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(_exactly, ordered))) if ordered else None
        plain = {form for v in (*self.certain, *possible) if _tells_itself(v) for form in _in_json(v)}
        self._listed = tuple(sorted(plain, key=len, reverse=True))
        self._parted = tuple(value for value in self.certain if len(value) >= PARTED and "://" not in value)

    def __repr__(self) -> str:
        return f"Veil({len(self.certain)} secrets)"

    def hide(self, text: str) -> str:
        """The text with `[redacted]` in place of every secret."""
        return mask_text(self.hide_known(text))

    def hide_known(self, text: str) -> str:
        """The same for the values it was given alone: what only looks like a secret stays."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        for secret in self._parted:
            text = _without_parts(text, secret)
        return text

    def hide_listed(self, raw: bytes) -> bytes:
        """A definition or a text of a server, as JSON, without what is beyond doubt a secret.

        Everything else in it stays: agents need every word, and a name that is changed names nothing.
        """
        for form in self._listed:
            if form in raw:
                raw = raw.replace(form, MASK.encode())
        return raw


class GrowingVeil(Veil):
    """A veil that learns: of a server whose credentials are renewed.

    Args:
        veil: What it knows for good.
    """

    def __init__(self, veil: Veil) -> None:
        self.__dict__.update(veil.__dict__)
        self._base = veil
        self._learned: dict[str, Veil] = {}

    def learn(self, secret: str) -> None:
        """This is a secret, too. Of many, the newest count: others are of no use to anybody any more."""
        if secret in self._learned:
            return
        self._learned[secret] = Veil([secret])
        while len(self._learned) > MOST_LEARNED:
            del self._learned[next(iter(self._learned))]
        self.certain = self._base.certain.union(*(veil.certain for veil in self._learned.values()))

    def hide_known(self, text: str) -> str:
        for veil in self._learned.values():
            text = veil.hide_known(text)
        return self._base.hide_known(text)

    def hide_listed(self, raw: bytes) -> bytes:
        for veil in self._learned.values():
            raw = veil.hide_listed(raw)
        return self._base.hide_listed(raw)


NOTHING = Veil()
"""Knows no secret: hides only what looks like one."""


class Everywhere:
    """The secrets of everything in this process, for texts of which nobody knows whose they are."""

    def __init__(self) -> None:
        self._known: dict[str, None] = {}
        # Several threads ask: what was made is known by what it was made of.
        self._number = 0
        self._made = 0, NOTHING

    def learn(self, veil: Veil) -> None:
        """What is a secret for sure there is hidden from now on."""
        for value in veil.certain - self._known.keys():
            self._known[value] = None
            self._number += 1
        while len(self._known) > MOST_KNOWN:
            del self._known[next(iter(self._known))]

    def hide(self, text: str) -> str:
        """The text with `[redacted]` in place of every secret."""
        number, veil = self._made
        if number != self._number:
            number = self._number
            self._made = number, veil = number, Veil(tuple(self._known))
        return veil.hide(text)


EVERYWHERE = Everywhere()


def veil_of_headers(headers: Mapping[str, str]) -> Veil:
    """What is not to be shown of the headers that we send, where whoever gets them repeats them."""
    sent = (value for name, value in headers.items() if name.lower() not in HARMLESS_HEADERS)
    return Veil(credential for value in sent for credential in credentials_in(value))


def credentials_in(value: str) -> Iterator[str]:
    """A credential with and without the word before it; what a Basic one holds, too."""
    yield value
    for part in value.split("; ") if "=" in value and "; " in value else ():
        yield part.partition("=")[2]
    if (match := _SCHEME().fullmatch(value.strip())) is None:
        return
    credential = match[1].strip()
    yield credential
    try:
        pair = b64decode(credential, validate=True).decode()
    except (NotBase64, ValueError):
        return
    if ":" in pair:
        yield pair
        yield pair.partition(":")[2]


def is_ordinary(value: str) -> bool:
    """Whether a value says nothing that anybody would hide: a path, a port, an address, a common word."""
    return value.lower() in _ORDINARY_WORDS or _ORDINARY().fullmatch(value) is not None


def _lines(value: str) -> Iterator[str]:
    """Every line of a secret: a key of many lines is printed on many, too."""
    lines = map(str.strip, value.splitlines())
    return (line for line in lines if len(line) >= SHORTEST)


def _forms(value: str) -> Iterator[str]:
    """A secret as it is spelled in URLs, in JSON and in base64."""
    yield value
    for spelled in (quote(value, safe=""), quote(value), quote_plus(value)):
        yield spelled
        yield re.sub("%[0-9A-F]{2}", lambda code: code[0].lower(), spelled)
    import json

    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    data = value.encode("utf-8", "surrogatepass")
    for shift in range(3):
        # Within a longer text, base64 begins at any of three places; both ends depend on what is around.
        whole = b64encode(b"\0" * shift + data).rstrip(b"=").decode()
        inner = whole[(0, 2, 3)[shift] : -1 if (shift + len(data)) % 3 else None]
        if len(inner) >= BOUNDED:
            yield inner
            yield inner.replace("+", "-").replace("/", "_")


def _tells_itself(value: str) -> bool:
    """Whether nobody would write this text for any other reason."""
    return len(value) >= LEAST_LISTED and any(map(str.isdigit, value)) and any(map(str.isalpha, value))


def _in_json(value: str) -> Iterator[bytes]:
    """A text as it stands inside of a JSON string."""
    import json

    for ascii_only in (False, True):
        yield json.dumps(value, ensure_ascii=ascii_only)[1:-1].encode("utf-8", "surrogatepass")


def _exactly(form: str) -> str:
    found = re.escape(form)
    return rf"(?<![A-Za-z0-9]){found}(?![A-Za-z0-9])" if len(form) < BOUNDED else found


def _without_parts(text: str, secret: str) -> str:
    """The text without beginnings and ends of a secret that somebody cut off; a mere word is none."""
    first, last = secret[:LEAST_PART], secret[-LEAST_PART:]
    at = text.find(first)
    while at >= 0:
        size = LEAST_PART
        while size < len(secret) and text[at + size : at + size + 1] == secret[size]:
            size += 1
        text, at = _cut(text, at, at + size)
        at = text.find(first, at)
    at = text.find(last)
    while at >= 0:
        size, end = LEAST_PART, at + LEAST_PART
        while size < len(secret) and end > size and text[end - size - 1] == secret[-size - 1]:
            size += 1
        text, at = _cut(text, end - size, end)
        at = text.find(last, at)
    return text


def _cut(text: str, start: int, end: int) -> tuple[str, int]:
    if text[start:end].isalpha():
        return text, end
    return text[:start] + MASK + text[end:], start + len(MASK)
