"""Fetches the documents of an issuer: small ones, soon, and from nowhere else than it says.

Called by `callmux.guard.oidc`. Imports aiohttp, so it is imported where tokens of an issuer are taken and not
before.
"""

from __future__ import annotations

import asyncio
from urllib.parse import urljoin, urlsplit

import aiohttp

from callmux import __version__
from callmux.config.redact import mask_url
from callmux.guard.issuer_keys import NoDocument
from callmux.proxies import proxy_for

MOST_BYTES = 1_000_000
MOST_REDIRECTS = 3


async def document(url: str, seconds: float) -> bytes:
    """A document.

    Args:
        seconds: How long all of it may take.

    Raises:
        NoDocument: It cannot be had, is too large, or would come from another host.
    """
    try:
        async with (
            asyncio.timeout(seconds),
            aiohttp.ClientSession(
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                headers={"User-Agent": f"callmux/{__version__}", "Accept": "application/json"},
            ) as client,
        ):
            return await _read(client, url)
    except TimeoutError:
        raise NoDocument(f"{mask_url(url)} does not answer in {seconds:g} s") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        reason = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise NoDocument(f"{mask_url(url)}: {reason}") from None


async def _read(client: aiohttp.ClientSession, url: str) -> bytes:
    for _ in range(MOST_REDIRECTS + 1):
        async with client.get(url, proxy=proxy_for(url), allow_redirects=False) as answer:
            if answer.status in (301, 302, 303, 307, 308):
                next_url = urljoin(url, answer.headers.get("Location", ""))
                if _origin(next_url) != _origin(url):
                    raise NoDocument(f"{mask_url(url)} sends elsewhere: name the other address yourself")
                url = next_url
                continue
            if answer.status != 200:
                raise NoDocument(f"{mask_url(url)} answers with status {answer.status}")
            return await _whole(answer, url)
    raise NoDocument(f"{mask_url(url)} sends from one address to the next")


async def _whole(answer: aiohttp.ClientResponse, url: str) -> bytes:
    body = bytearray()
    async for part in answer.content.iter_any():
        body += part
        if len(body) > MOST_BYTES:
            raise NoDocument(f"{mask_url(url)} gives more than {MOST_BYTES} bytes")
    return bytes(body)


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.lower()
