"""Shows a person at this terminal how to sign in, and takes the answer: by a browser here, by an address that
is pasted, or by a code for another device.

Made by `callmux.cli.signing_in`; asked by `callmux.oauth.sign_in`. Whichever answer with the right `state`
comes first counts: the receiver on this machine and the person at the keyboard do not hinder each other.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from callmux.cli.browser import opened, reason_against
from callmux.cli.pasting import pasted
from callmux.oauth.authorization import holds_state
from callmux.oauth.device import DeviceCode
from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.receiver import HOST, PATH, Receiver, ports_for
from callmux.text import visible

SECONDS = 300.0
"""How long a person has."""
_FIX = (
    "The address that was pasted does not belong to this sign-in. Copy the whole address that the browser"
    f' shows at the end: it begins with "http://{HOST}:'
)


class TerminalPresenter:
    """One sign-in at a terminal.

    Args:
        name: The server's name.
        receiver: Where the browser comes back to; open, or without a free port.
        port: The port of the redirect address.
        browse: Whether to open a browser here.
        why_not: Why none is opened.
        seconds: How long the person has.
        say: Shows a line.
    """

    def __init__(
        self,
        name: str,
        receiver: Receiver,
        port: int,
        *,
        browse: bool,
        why_not: str,
        seconds: float,
        say: Callable[[str], None],
    ) -> None:
        self._name = name
        self._receiver = receiver
        self._port = port
        self._browse = browse
        self._why_not = why_not
        self._seconds = seconds
        self._say = say

    @property
    def redirect_uri(self) -> str:
        return f"http://{HOST}:{self._port}{PATH}"

    async def authorize(self, url: str, state: str) -> str:
        """Has a person open `url`. Gives the answer that holds `state`.

        Raises:
            SignInFailed: Nobody came in time.
        """
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def take(text: str) -> None:
            if not answer.done():
                answer.set_result(text)

        def take_pasted(text: str) -> None:
            if holds_state(text, state):
                take(text)
            else:
                self._say(f'{_FIX}{self._port}{PATH}?".')

        self._receiver.expect(state, take)
        with pasted(take_pasted) as can_paste:
            await self._show(url, can_paste)
            if not can_paste and not self._receiver.port:
                raise SignInFailed(
                    f"the ports for the browser are in use (such as {self._port}), and nothing can be pasted"
                    ' here: free it, or name another one as "oauth": {"callbackPort": PORT}',
                    Why.SETTINGS,
                )
            try:
                async with asyncio.timeout(self._seconds):
                    return await answer
            except TimeoutError:
                raise SignInFailed(
                    f'nobody signed in within {self._seconds:g} s: run "callmux login {self._name}" again'
                ) from None

    async def _show(self, url: str, can_paste: bool) -> None:
        if self._browse and await opened(url):
            self._say("Your browser opens. If it does not, open this address:")
        elif self._browse:
            self._say("No browser could be opened. Open this address in one:")
        else:
            self._say(f"No browser is opened here ({self._why_not}). Open this address anywhere:")
        self._say(f"\n  {visible(url)}\n")
        if can_paste:
            self._say(
                "If the browser is on another machine, its last page will not load: copy the address of that"
                " page and paste it here, then Enter (it is not shown)."
            )
        waits = f"on {self.redirect_uri} " if self._receiver.port else ""
        self._say(f"Waiting {waits}for at most {self._seconds:g} s. Ctrl-C gives up.")

    async def show_code(self, code: DeviceCode) -> None:
        """Shows a code and where to enter it."""
        self._say(f"Open this address on any device and enter the code {visible(code.user_code)}:")
        self._say(f"\n  {visible(code.url)}\n")
        if code.complete_url:
            self._say(f"Or open this one, which has the code in it:\n\n  {visible(code.complete_url)}\n")
        if self._browse:
            await opened(code.complete_url or code.url)
        self._say(f"Waiting for at most {min(code.seconds, self._seconds):g} s. Ctrl-C gives up.")


@asynccontextmanager
async def at_this_terminal(
    name: str,
    url: str,
    *,
    port: int | None = None,
    browser: bool = True,
    seconds: float = SECONDS,
    env: Mapping[str, str] | None = None,
    say: Callable[[str], None] | None = None,
) -> AsyncIterator[TerminalPresenter]:
    """A presenter whose receiver listens while this is entered.

    Args:
        name: The server's name.
        url: Its URL as it is written; each has a port of its own.
        port: The port that the configuration names.
        browser: Whether a browser may be opened.
        seconds: How long the person has.
        env: The environment, in place of this process's.
        say: Shows a line, in place of printing it to stderr.
    """
    receiver = Receiver(name)
    found = await receiver.open(ports_for(f"{name} {url}", port))
    why_not = reason_against(os.environ if env is None else env) if browser else "--no-browser"
    try:
        yield TerminalPresenter(
            name,
            receiver,
            receiver.port if found else next(ports_for(f"{name} {url}", port)),
            browse=why_not is None,
            why_not=why_not or "",
            seconds=seconds,
            say=say or _say,
        )
    finally:
        await receiver.close()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
