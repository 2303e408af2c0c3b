"""What a child says before anybody listens, and after nobody does."""

from __future__ import annotations

import asyncio
from typing import Any

from callmux.config.veil import Veil
from callmux.protocol.jsonrpc import Message, Notification, Response
from callmux.upstream.failures import CallFailure
from callmux.upstream.links import child_output
from callmux.upstream.links.child_output import ChildOutput
from callmux.upstream.links.link import Listener

SAID = b'{"jsonrpc":"2.0","method":"%s"}\n'


class FakePipe:
    def __init__(self) -> None:
        self.reads = True

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def is_closing(self) -> bool:
        return False


class FakeTransport:
    def __init__(self) -> None:
        self.pipe = FakePipe()

    def get_pipe_transport(self, descriptor: int) -> FakePipe:
        return self.pipe

    def get_returncode(self) -> int:
        return 3


class Heard:
    def __init__(self) -> None:
        self.methods: list[str] = []
        self.ends: list[str] = []

    def listener(self) -> Listener:
        return Listener(self._received, lambda *_: None, lambda failure: self._lost(failure))

    def _received(self, message: Message, id: int | None) -> None:
        assert isinstance(message, Notification)
        self.methods.append(message.method)

    def _lost(self, failure: CallFailure) -> None:
        self.ends.append(failure.cause)


def made() -> tuple[ChildOutput, FakePipe]:
    output, transport = ChildOutput(lambda line: None, Veil()), FakeTransport()
    given: Any = transport
    output.connection_made(given)
    return output, transport.pipe


async def test_what_it_says_before_anybody_listens_comes_first_and_in_order() -> None:
    """The rest stays in the pipe until then."""
    output, pipe = made()
    output.pipe_data_received(1, SAID % b"a" + SAID % b"b" + SAID[:10])
    assert not pipe.reads
    heard = Heard()
    output.hear(heard.listener())
    assert heard.methods == []
    output.pipe_data_received(1, (SAID % b"c")[10:] + SAID % b"d")
    await asyncio.sleep(1)
    assert (heard.methods, pipe.reads) == (["a", "b", "c", "d"], True)
    output.pipe_data_received(1, SAID % b"e")
    assert heard.methods[-1] == "e"


async def test_an_end_before_anybody_listens_is_told_once_somebody_does_after_all_it_said() -> None:
    output, _ = made()
    output.pipe_data_received(1, SAID % b"a")
    for descriptor in (1, 2):
        output.pipe_connection_lost(descriptor, None)
    output.process_exited()
    await asyncio.sleep(2 * child_output.REST_SECONDS)
    heard = Heard()
    output.hear(heard.listener())
    await asyncio.sleep(1)
    assert heard.methods == ["a"]
    assert heard.ends == ["the server ended with exit code 3"]


async def test_after_hush_nothing_is_told() -> None:
    """Whether anybody has listened before or not."""
    for listened in (True, False):
        output, _ = made()
        heard = Heard()
        output.pipe_data_received(1, SAID % b"a")
        if listened:
            output.hear(heard.listener())
        output.hush()
        output.pipe_data_received(1, SAID % b"b")
        output.pipe_connection_lost(1, None)
        output.process_exited()
        await asyncio.sleep(2 * child_output.REST_SECONDS)
        assert (heard.methods, heard.ends) == ([], [])


async def test_answers_that_come_together_are_told_one_by_one_until_it_is_hushed() -> None:
    heard: list[Any] = []
    for stays in (True, False):
        output, _ = made()

        def received(message: Message, id: int | None, it: ChildOutput = output, on: bool = stays) -> None:
            assert isinstance(message, Response)
            heard.append(message.id)
            if not on:
                it.hush()

        output.hear(Listener(received, lambda *_: None, lambda _: None))
        await asyncio.sleep(0)
        output.pipe_data_received(1, b"".join(b'{"id":%d,"result":{}}\n' % n for n in (1, 2)))
    assert heard == [1, 2, 1]


WHOLE = (SAID % b"last").strip()


async def test_a_last_line_without_its_end_waits_for_somebody_to_listen() -> None:
    output, _ = made()
    output.pipe_data_received(1, SAID % b"a" + WHOLE)
    output.pipe_connection_lost(1, None)
    output.pipe_connection_lost(2, None)
    output.process_exited()
    heard = Heard()
    output.hear(heard.listener())
    await asyncio.sleep(2 * child_output.EXITED_SECONDS)
    assert heard.methods == ["a", "last"]
    assert len(heard.ends) == 1


async def test_a_loop_that_comes_late_reads_what_is_there_before_it_says_that_the_child_has_ended() -> None:
    """The end of the pipe, and the time for it, are there in the same turn."""
    output, _ = made()
    loop, heard = asyncio.get_running_loop(), Heard()
    output.hear(heard.listener())
    output.pipe_data_received(1, WHOLE)

    def told(turns: int) -> None:
        # What a loop reads reaches whoever reads it some turns later.
        if turns:
            loop.call_soon(told, turns - 1)
        else:
            output.pipe_connection_lost(1, None)

    loop.call_later(child_output.EXITED_SECONDS, told, 4)
    output.process_exited()
    await asyncio.sleep(2 * child_output.EXITED_SECONDS)
    assert heard.methods == ["last"]
    assert heard.ends == ["the server ended with exit code 3"]
