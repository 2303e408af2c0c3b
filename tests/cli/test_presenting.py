"""How a person is shown a sign-in at a terminal, and which answer counts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from typing import Any

import pytest

from callmux.cli import presenting
from callmux.cli.presenting import TerminalPresenter, at_this_terminal
from callmux.oauth.device import DeviceCode
from callmux.oauth.failure import SignInFailed
from tests.support import free_port, real_loop, until

NO_DISPLAY = {"PATH": "/bin"}


@pytest.fixture
def keyboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Where a person types."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield writing
    os.close(writing)


async def answered(presenter: TerminalPresenter, state: str = "s1") -> asyncio.Task[str]:
    task = asyncio.ensure_future(presenter.authorize(f"https://as.example/authorize?state={state}", state))
    await asyncio.sleep(0)
    return task


@real_loop()
async def test_without_a_display_it_says_so_and_takes_the_browser_or_what_is_pasted(keyboard: int) -> None:
    said: list[str] = []
    port = free_port()
    async with at_this_terminal("gh", "https://x", port=port, env=NO_DISPLAY, say=said.append) as presenter:
        assert presenter.redirect_uri == f"http://127.0.0.1:{port}/callback"
        task = await answered(presenter)
        await until(lambda: any("Waiting" in line for line in said), "the prompt")
        assert said[0] == "No browser is opened here (there is no display). Open this address anywhere:"
        assert said[1] == "\n  https://as.example/authorize?state=s1\n"
        os.write(keyboard, b"http://127.0.0.1:1/callback?code=x&state=other\nnonsense\n")
        await until(lambda: sum("does not belong" in line for line in said) == 2, "both complaints")
        assert not task.done()
        os.write(keyboard, f"{presenter.redirect_uri}?code=pasted&state=s1\n".encode())
        assert await task == f"{presenter.redirect_uri}?code=pasted&state=s1"


@real_loop()
async def test_the_receiver_goes_on_while_somebody_types_and_the_first_answer_counts(keyboard: int) -> None:
    said: list[str] = []
    async with at_this_terminal("gh", "https://x", env=NO_DISPLAY, say=said.append) as presenter:
        task = await answered(presenter)
        await until(lambda: any("Waiting" in line for line in said), "the prompt")
        os.write(keyboard, b"half an addr")
        port = int(presenter.redirect_uri.split(":")[2].split("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /callback?code=c&state=s1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()
        assert await task == "code=c&state=s1"
        os.write(keyboard, b"ess\n")


@real_loop()
async def test_a_browser_is_opened_where_there_is_one(keyboard: int, monkeypatch: pytest.MonkeyPatch) -> None:
    pages: list[str] = []
    results = [True, False]

    async def open_page(url: str) -> bool:
        pages.append(url)
        return results[len(pages) - 1]

    monkeypatch.setattr(presenting, "opened", open_page)
    said: list[str] = []
    for first in ("Your browser opens.", "No browser could be opened."):
        said.clear()
        async with at_this_terminal("gh", "https://x", env={"DISPLAY": ":0"}, say=said.append) as presenter:
            task = await answered(presenter)
            await until(lambda: any("Waiting" in line for line in said), "the prompt")
            assert said[0].startswith(first)
            os.write(keyboard, b"code=c&state=s1\n")
            await task
    assert pages == ["https://as.example/authorize?state=s1"] * 2
    said.clear()
    async with at_this_terminal(
        "gh", "https://x", browser=False, env={"DISPLAY": ":0"}, say=said.append
    ) as presenter:
        task = await answered(presenter)
        await until(lambda: any("Waiting" in line for line in said), "the prompt")
        assert said[0].startswith("No browser is opened here (--no-browser)")
        os.write(keyboard, b"code=c&state=s1\n")
        await task


@real_loop()
async def test_nobody_is_waited_for_without_an_end(keyboard: int) -> None:
    async with at_this_terminal(
        "gh", "https://x", env=NO_DISPLAY, seconds=0.05, say=lambda line: None
    ) as presenter:
        with pytest.raises(SignInFailed, match='run "callmux login gh" again'):
            await presenter.authorize("https://as.example/", "s1")


@real_loop()
async def test_without_a_free_port_the_address_can_still_be_pasted(keyboard: int) -> None:
    said: list[str] = []
    port = free_port()
    taken = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", port)
    async with at_this_terminal("gh", "https://x", port=port, env=NO_DISPLAY, say=said.append) as presenter:
        assert presenter.redirect_uri == f"http://127.0.0.1:{port}/callback"
        task = await answered(presenter)
        await until(lambda: any("Waiting for" in line for line in said), "the prompt")
        os.write(keyboard, b"code=c&state=s1\n")
        assert await task == "code=c&state=s1"
    taken.close()


@real_loop()
async def test_without_port_and_keyboard_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing: Any = None
    monkeypatch.setattr("sys.stdin", nothing)
    port = free_port()
    taken = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", port)
    async with at_this_terminal(
        "gh", "https://x", port=port, env=NO_DISPLAY, say=lambda line: None
    ) as presenter:
        with pytest.raises(SignInFailed, match="callbackPort"):
            await presenter.authorize("https://as.example/", "s1")
    taken.close()


@real_loop()
async def test_a_code_for_another_device_is_shown_with_its_address() -> None:
    said: list[str] = []
    code = DeviceCode(
        user_code="WDJB-MJHT",
        url="https://as.example/device",
        complete_url="https://as.example/device?code=WDJB-MJHT",
        seconds=600,
        interval=5,
        secret="hunter2",
    )
    async with at_this_terminal("gh", "https://x", env=NO_DISPLAY, say=said.append) as presenter:
        await presenter.show_code(code)
    text = "\n".join(said)
    assert "enter the code WDJB-MJHT" in text
    assert "  https://as.example/device\n" in text
    assert "device?code=WDJB-MJHT" in text
    assert "at most 300 s" in text
    assert "hunter2" not in text


def test_lines_go_to_stderr_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    presenting._say("x")
    assert capsys.readouterr() == ("", "x\n")
