"""Documents are small, come soon, and from where they were asked for."""

from __future__ import annotations

import gzip

import pytest

from callmux.guard.documents import MOST_BYTES, document
from callmux.guard.issuer_keys import NoDocument
from tests.guard.issuer import Web, web
from tests.support import run


def fetched(server: Web, path: str = "/keys", seconds: float = 10) -> bytes:
    return run(document(server.url + path, seconds))


def test_a_document_comes_whole() -> None:
    with web() as server:
        server.answers["/keys"] = (200, {}, b"x" * MOST_BYTES)
        assert len(fetched(server)) == MOST_BYTES


def test_one_byte_too_many_is_too_large_packed_or_not() -> None:
    with web() as server:
        server.answers["/keys"] = (200, {}, b"x" * (MOST_BYTES + 1))
        server.answers["/packed"] = (
            200,
            {"Content-Encoding": "gzip"},
            gzip.compress(b"x" * (200 * MOST_BYTES)),
        )
        for path in ("/keys", "/packed"):
            with pytest.raises(NoDocument, match=f"more than {MOST_BYTES} bytes"):
                fetched(server, path)


def test_one_that_does_not_end_is_given_up() -> None:
    with web() as server:
        server.answers["/keys"] = (200, {}, None)
        with pytest.raises(NoDocument, match="does not answer in"):
            fetched(server, seconds=0.2)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "target",
    ["http://localhost:{port}/other", "http://127.0.0.1:1/", "//evil.example/k", "file:///etc/passwd"],
)
def test_one_that_sends_elsewhere_is_not_followed(status: int, target: str) -> None:
    with web() as server:
        location = target.format(port=server.url.rpartition(":")[2])
        server.answers["/keys"] = (status, {"Location": location}, b"")
        with pytest.raises(NoDocument, match="sends elsewhere"):
            fetched(server)
        assert server.asked == ["/keys"]


def test_one_that_moved_on_the_same_host_is_found_and_a_circle_ends() -> None:
    with web() as server:
        server.answers["/keys"] = (302, {"Location": "/there"}, b"")
        server.answers["/there"] = (200, {}, b"{}")
        server.answers["/round"] = (302, {"Location": "/round"}, b"")
        assert fetched(server) == b"{}"
        with pytest.raises(NoDocument, match="from one address to the next"):
            fetched(server, "/round")


@pytest.mark.parametrize("status", [204, 304, 400, 401, 404, 429, 500, 503])
def test_any_other_status_is_a_failure(status: int) -> None:
    with web() as server:
        server.answers["/keys"] = (status, {}, b"")
        with pytest.raises(NoDocument, match=str(status)):
            fetched(server)


def test_nobody_there_is_a_failure_that_shows_no_secret() -> None:
    with pytest.raises(NoDocument) as failed:
        run(document("http://user:s3cret@127.0.0.1:1/keys?token=s3cret", 5))
    assert "s3cret" not in str(failed.value)
