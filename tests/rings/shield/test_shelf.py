"""Small results are handled here, large ones in the helper process; both look the same."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import Any

import msgspec
import pytest

from callmux.errors import ResultNotFound, ResultUnreadable, StoreUnavailable
from callmux.observe.bus import Bus
from callmux.observe.facts import ResultShortened
from callmux.protocol.shapes import Result
from callmux.rings.shield import shelf as module
from callmux.rings.shield.compact import Limits
from callmux.rings.shield.helper import Helper, HelperLost
from callmux.rings.shield.page_query import Query
from callmux.rings.shield.shelf import Shelf
from callmux.rings.shield.shortening import Shortening
from callmux.rings.shield.worker import WorkerAnswer, WorkerJob
from callmux.stores import border
from callmux.stores.memory import MemoryResults
from callmux.stores.results import Stored, StoreLimits
from tests.stores.remote import FAILS, HANGS, LATE_FAILS, SLOW, RemoteResults, Wire
from tests.support import real_loop

ORDER = Shortening(limits=Limits(65536, 8192, 50), tool="rows", server="db", ref="")


def result(count: int) -> Result:
    rows = [{"id": n, "text": "lorem ipsum dolor sit amet"} for n in range(count)]
    text = json.dumps(rows)
    return Result(msgspec.json.encode({"content": [{"type": "text", "text": text}]}))


def ref_of(reply: Result) -> str:
    note = json.loads(json.loads(reply.raw)["content"][0]["text"])["_callmux"]
    found: str = note["ref"]
    return found


@pytest.fixture(params=["here", "in the helper"])
def place(request: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param != "here":
        monkeypatch.setattr(module, "LARGE", 1000)
    return str(request.param)


@pytest.fixture(params=["in memory", "remote"], autouse=True)
def _store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test runs with a store in memory and with one that must be asked."""
    if request.param == "remote":
        monkeypatch.setattr(module, "MemoryResults", RemoteResults)


@real_loop()
async def test_the_first_page_goes_on_where_the_beginning_ended(place: str) -> None:
    """Wherever it was shortened, and wherever it is kept."""
    helper = Helper()
    shelf = Shelf(helper)
    limits = Limits(4000, 1000, 50, reads_on=True)
    shelf.configure(StoreLimits(), 2000)
    whole = result(200)
    reply = await shelf.shorten(whole, msgspec.structs.replace(ORDER, limits=limits), "")
    read = json.loads(json.loads(reply.raw)["content"][0]["text"])["preview"]
    asked, count = Query(), 0
    while True:
        page = json.loads(msgspec.json.encode(await shelf.page(ref_of(reply), asked, "")))
        assert page["offset"] == len(read)
        read += page["data"]
        count += 1
        if not page["hasMore"]:
            break
        asked = Query(offset=page["nextOffset"])
    assert read == json.loads(json.loads(whole.raw)["content"][0]["text"])
    assert count == 3, "a page may take all of maxResultBytes"
    assert (helper.pid is None) is (place == "here")
    await shelf.close()


@real_loop()
async def test_a_result_is_shortened_kept_and_paged(place: str) -> None:
    helper = Helper()
    shelf = Shelf(helper)
    reply = await shelf.shorten(result(200), ORDER, "")
    ref = ref_of(reply)
    page = json.loads(msgspec.json.encode(await shelf.page(ref, Query(offset=150), "")))
    assert (page["ref"], page["tool"], page["total"], page["data"][0]["id"]) == (ref, "rows", 200, 150)
    with pytest.raises(Exception, match="nothing") as caught:
        await shelf.page(ref, Query(path="a.b"), "")
    assert type(caught.value).__name__ == "ResultPathNotFound"
    assert (helper.pid is None) is (place == "here")
    facts = shelf.facts()
    assert (facts["entries"], facts["totalStored"]) == (1, 1)
    assert facts["storedBytes"] == len(result(200).raw)
    await shelf.close()


@real_loop()
async def test_refs_cannot_be_guessed_and_belong_to_their_owner(place: str) -> None:
    shelf = Shelf()
    first = ref_of(await shelf.shorten(result(200), ORDER, "alice"))
    second = ref_of(await shelf.shorten(result(200), ORDER, "alice"))
    assert first != second
    assert len(first) == 38
    assert (await shelf.page(first, Query(), "alice"))["total"] is not None
    for owner in ("", "bob"):
        with pytest.raises(ResultNotFound):
            await shelf.page(first, Query(), owner)
    await shelf.close()


@real_loop()
async def test_what_is_within_the_limits_stays_the_same_object(place: str) -> None:
    shelf = Shelf()
    whole = result(49)
    assert await shelf.shorten(whole, ORDER, "") is whole
    assert shelf.facts()["entries"] == 0
    await shelf.close()


@real_loop()
async def test_the_oldest_makes_room(place: str) -> None:
    shelf = Shelf()
    shelf.configure(StoreLimits(results=1), 65536)
    first = ref_of(await shelf.shorten(result(200), ORDER, ""))
    second = ref_of(await shelf.shorten(result(200), ORDER, ""))
    with pytest.raises(ResultNotFound):
        await shelf.page(first, Query(), "")
    await shelf.page(second, Query(), "")
    shelf.configure(StoreLimits(total_bytes=10), 65536)
    with pytest.raises(ResultNotFound):
        await shelf.page(second, Query(), "")
    await shelf.close()


@real_loop()
async def test_what_is_too_large_to_keep_is_shortened_all_the_same(place: str) -> None:
    shelf = Shelf()
    shelf.configure(StoreLimits(result_bytes=2000), 65536)
    reply = json.loads((await shelf.shorten(result(200), ORDER, "")).raw)
    assert json.loads(reply["content"][0]["text"])["_callmux"]["retained"] is False
    assert shelf.facts()["rejectedOversize"] == 1
    await shelf.close()


@real_loop()
async def test_without_the_helper_a_large_result_goes_out_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE", 1000)

    shelf = Shelf(Helper(["/nonexistent/python"]))
    whole = result(200)
    assert await shelf.shorten(whole, ORDER, "") is whole
    await shelf.close()


@real_loop()
async def test_a_helper_that_dies_takes_nothing_along(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the results of anybody, however often it dies."""
    monkeypatch.setattr(module, "LARGE", 1000)

    helper = Helper()
    shelf = Shelf(helper)
    refs = [ref_of(await shelf.shorten(result(200 + n), ORDER, "")) for n in range(3)]
    for n, ref in enumerate(refs):
        assert helper.pid is not None
        os.kill(helper.pid, signal.SIGKILL)
        page = json.loads(msgspec.json.encode(await shelf.page(ref, Query(), "")))
        assert (page["total"], page["data"][-1]["id"]) == (200 + n, 49)
    assert shelf.facts()["entries"] == 3
    await shelf.close()


@real_loop()
@pytest.mark.parametrize("number", ["1e400", "-1e999", "9" * 5000])
@pytest.mark.parametrize("search", ["", "x", "café", '\\"'])
async def test_numbers_that_nobody_can_hold_are_paged_and_searched(
    place: str, number: str, search: str
) -> None:
    shelf = Shelf()
    rows = ",".join(json.dumps({"id": n, "t": "y" * 100}) for n in range(200))
    rows += r',{"t":"x\n caf\u00e9 \"","b":NUMBER}'.replace("NUMBER", number)
    raw = b'{"content":[],"structuredContent":{"rows":[%b]}}' % rows.encode()
    ref = ref_of(await shelf.shorten(Result(raw), ORDER, ""))
    page = await shelf.page(ref, Query(path="rows", search=search, offset=0 if search else 200), "")
    data = bytes(msgspec.json.encode(page["data"]))
    assert number.encode() in data
    await shelf.page(ref, Query(path="rows[200].b"), "")
    await shelf.close()


@real_loop()
async def test_a_result_that_cannot_be_read_in_some_way_costs_one_caller_an_error(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*given: object) -> None:
        raise MemoryError

    helper = Helper()
    shelf = Shelf(helper)
    ref = ref_of(await shelf.shorten(result(200), ORDER, ""))
    with monkeypatch.context() as broken:
        broken.setattr(module, "Document", fail)
        if place != "here":

            async def failed(job: WorkerJob, body: bytes = b"") -> tuple[WorkerAnswer, bytes]:
                return WorkerAnswer(failed="MemoryError()"), b""

            broken.setattr(helper, "do", failed)
        with pytest.raises(ResultUnreadable, match="MemoryError"):
            await shelf.page(ref, Query(), "")
    assert (await shelf.page(ref, Query(), ""))["total"] is not None
    await shelf.close()


@real_loop()
async def test_a_result_that_ends_the_helper_is_unreadable_and_goes_out_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "LARGE", 1000)

    helper = Helper()
    shelf = Shelf(helper)
    ref = ref_of(await shelf.shorten(result(200), ORDER, ""))

    async def lost(job: WorkerJob, body: bytes = b"") -> tuple[WorkerAnswer, bytes]:
        raise HelperLost("it ended")

    with monkeypatch.context() as broken:
        broken.setattr(helper, "do", lost)
        with pytest.raises(ResultUnreadable, match="ended"):
            await shelf.page(ref, Query(), "")
        whole = result(300)
        assert await shelf.shorten(whole, ORDER, "") is whole
    assert (await shelf.page(ref, Query(), ""))["total"] is not None
    await shelf.close()


@real_loop()
async def test_a_caller_that_gives_up_leaves_the_helper_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGE", 1000)

    shelf = Shelf()
    task = asyncio.get_running_loop().create_task(shelf.shorten(result(20_000), ORDER, ""))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    ref = ref_of(await shelf.shorten(result(200), ORDER, ""))
    assert (await shelf.page(ref, Query(limit=1), ""))["count"] == msgspec.Raw(b"1")
    assert shelf.facts()["entries"] == 2
    await shelf.close()


@real_loop()
@pytest.mark.parametrize("way", [FAILS, LATE_FAILS, HANGS])
async def test_what_cannot_be_kept_goes_out_whole(place: str, way: str) -> None:
    """Nothing is lost, and nobody is told of a rest that is not there."""

    shelf = Shelf(helper := Helper(), RemoteResults(Wire(way)))
    whole = result(200)
    assert await shelf.shorten(whole, ORDER, "") is whole
    assert helper.spool._parts == {}
    await shelf.close()


@real_loop()
@pytest.mark.parametrize("way", [FAILS, HANGS])
async def test_a_store_that_does_not_answer_is_no_result_that_is_gone(
    place: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(border, "REST_SECONDS", 0.0)

    wire = Wire()
    shelf = Shelf(Helper(), RemoteResults(wire))
    ref = ref_of(await shelf.shorten(result(200), ORDER, ""))
    wire.way = way
    with pytest.raises(StoreUnavailable, match="try again"):
        await shelf.page(ref, Query(), "")
    wire.way = SLOW
    assert (await shelf.page(ref, Query(), ""))["total"] is not None
    await shelf.close()


@real_loop()
async def test_another_process_pages_what_this_one_has_shortened(place: str) -> None:
    store = RemoteResults()
    one, other = Shelf(Helper(), store), Shelf(Helper(), store)
    ref = ref_of(await one.shorten(result(200), ORDER, "alice"))
    page = json.loads(msgspec.json.encode(await other.page(ref, Query(offset=150), "alice")))
    assert (page["total"], page["data"][0]["id"]) == (200, 150)
    with pytest.raises(ResultNotFound):
        await other.page(ref, Query(), "bob")
    await one.close()
    await other.close()


@real_loop()
async def test_who_listens_hears_how_much_shorter_a_result_went_out(place: str) -> None:
    bus = Bus()
    heard: list[Any] = []
    bus.subscribe(ResultShortened, heard.append)
    shelf = Shelf(Helper(), bus=bus)
    given = result(200)
    reply = await shelf.shorten(given, ORDER, "")
    about = {"how": "shield", "server": "db", "tool": "rows"}
    assert heard == [ResultShortened(**about, before=len(given.raw), after=len(reply.raw))]
    await shelf.shorten(result(1), ORDER, "")
    assert len(heard) == 1
    await shelf.close()


@real_loop()
async def test_what_another_listener_alone_has_is_said_to_be_there() -> None:
    class Elsewhere(MemoryResults):
        def get(self, ref: str, owner: str) -> Stored:
            return Stored(ref=ref, tool="rows", owner=owner, size=0, raw=b"", elsewhere=True)

    shelf = Shelf(store=Elsewhere(), bus=Bus())
    with pytest.raises(ResultNotFound, match="kept by another listener alone, because it is over 8 MB"):
        await shelf.page("r_1", Query(), "")
    await shelf.close()
