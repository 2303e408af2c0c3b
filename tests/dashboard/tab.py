"""A browser at the dashboard of a `Place`: it keeps the cookie, and sends what browsers send."""

from __future__ import annotations

from typing import Any

from callmux.guard.principal import Principal
from tests.management.place import Place
from tests.transport.http.asgi import Call

CLIENTS = {
    "mode": "bearer",
    "tokens": [{"id": "ops", "token": "ops-token-1234"}, {"id": "dev", "token": "dev-token-1234"}],
}
OPS, DEV = "ops-token-1234", "dev-token-1234"
HOST = "localhost:4860"
SAME = {"sec-fetch-site": "same-origin", "origin": f"http://{HOST}"}


def _merged(usual: dict[str, str], headers: dict[str, str]) -> dict[str, str]:
    """Headers, some of them written with underscores; an empty one is left out."""
    given = {**usual, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return {name: value for name, value in given.items() if value}


class Tab:
    """One page.

    Attributes:
        cookie: What it has, as `name=value`; empty for none.
        csrf: What it sends with changes.
    """

    def __init__(self, place: Place, base: str = "/dashboard") -> None:
        self.place = place
        self.base = base
        self.cookie = ""
        self.csrf = ""

    async def get(self, path: str, **headers: str) -> Call:
        return await self._ask("GET", path, None, _merged({"sec-fetch-site": "same-origin"}, headers))

    async def post(self, path: str, body: Any = None, method: str = "POST", **headers: str) -> Call:
        usual = {**SAME, "content-type": "application/json", "x-callmux-csrf": self.csrf}
        return await self._ask(method, path, {} if body is None else body, _merged(usual, headers))

    async def _ask(self, method: str, path: str, body: Any, headers: dict[str, str]) -> Call:
        cookie = {"cookie": self.cookie} if self.cookie else {}
        given = {"host": HOST, **cookie, **headers}
        call = await self.place.ask(method, f"{self.base}{path}", body, None, **given)
        if (sets := call.headers.get("set-cookie")) is not None:
            self.cookie = "" if "Max-Age=0" in sets else sets.partition(";")[0]
        return call

    async def session(self) -> Any:
        """What the page knows of itself."""
        found = (await self.get("/session")).json
        self.csrf = found["csrf"]
        return found

    async def sign_in(self, token: str) -> Call:
        """Shows a token."""
        answer = await self.post("/sign-in", {"token": token})
        if answer.status == 200:
            self.csrf = answer.json["csrf"]
        return answer

    async def enter(self, *, person: bool = True) -> Call:
        """Opens the address that a command would print."""
        visitors = self.place.guard.visitors
        assert visitors is not None
        operator = Principal(kind="operator", id="me")
        code = visitors.browsers.new_code(operator, visitors._clock.monotonic(), person=person)
        answer = await self.get(f"/enter?code={code}", sec_fetch_site="none")
        await self.session()
        return answer
