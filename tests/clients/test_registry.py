"""The list of well-known servers; that they start is checked by scripts/check-registry."""

from __future__ import annotations

import pytest

from callmux.clients.registry import KNOWN, KnownServer
from callmux.config.check import check_document
from callmux.config.redact import is_secret_key
from callmux.setup.plan import NewServer
from callmux.setup.servers import Secrets, server_document


@pytest.mark.parametrize("known", KNOWN.values(), ids=list(KNOWN))
def test_every_server_of_the_list_is_a_valid_entry(known: KnownServer) -> None:
    places = ("/data",) if known.place else ()
    server = NewServer(known.name, known.entry(places))
    document = server_document(server.name, server.entry, Secrets("/s", {}).keep)
    assert check_document({"servers": {known.name: document}}).errors == []
    assert bool(known.command) is not bool(known.url)
    assert known.checked or known.url, "what is not remote can be checked"
    assert all(is_secret_key(variable.name) and variable.hint for variable in known.variables)
    assert not known.header or known.variables
    assert document.get("args", [])[-1:] == ["/data"] or known.place is None


def test_servers_come_by_the_two_runners_people_have() -> None:
    assert {known.command[0] for known in KNOWN.values() if known.command} == {"npx", "uvx"}
