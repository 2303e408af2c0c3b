"""Session ids that outlive the process that gave them."""

from __future__ import annotations

import random
import string

import msgspec
import pytest

from callmux.session.tickets import MAX_AGE_SECONDS, MAX_LENGTH, Ticket, owner_mark, seal, unseal

KEY = b"k" * 32
TICKET = Ticket("aa", 1000.0, "2025-11-25", '{"roots":{}}')


def test_an_id_brings_its_ticket_back() -> None:
    id = seal(TICKET, KEY)
    assert set(id) <= set(string.ascii_lowercase + string.digits)
    assert unseal(id, KEY, 1000.0) == TICKET


@pytest.mark.parametrize("length", range(8))
def test_an_id_has_one_spelling(length: int) -> None:
    """Another case, padding, other bits at its end, blanks around it: these are ids of nobody."""
    id = seal(Ticket("aa", 1000.0, "2025-11-25", "x" * length), KEY)
    letters = string.ascii_lowercase + "234567"
    others = {id.upper(), id.capitalize(), id.swapcase(), f" {id}", f"{id} ", f"{id}\n", f"{id}\0", f'"{id}"'}
    others |= (
        {id + "=" * n for n in range(1, 9)} | {id[:-1] + letter for letter in letters} | {id + "a", id[:-1]}
    )
    others |= {id[:at] + id[at].upper() + id[at + 1 :] for at in range(len(id))}
    for other in others - {id}:
        assert unseal(other, KEY, 1000.0) is None, other


def test_an_id_is_worth_nothing_under_another_key_or_with_another_letter() -> None:
    id = seal(TICKET, KEY)
    assert unseal(id, b"o" * 32, 1000.0) is None
    for at in range(len(id) - 1):
        other = "a" if id[at] != "a" else "b"
        assert unseal(id[:at] + other + id[at + 1 :], KEY, 1000.0) is None


def test_an_id_ends_with_its_age() -> None:
    id = seal(TICKET, KEY)
    assert unseal(id, KEY, 1000.0 + MAX_AGE_SECONDS) == TICKET
    assert unseal(id, KEY, 1000.1 + MAX_AGE_SECONDS) is None


def test_a_client_that_declares_too_much_gets_its_nonce_as_id() -> None:
    noise = "".join(random.Random(1).choices(string.printable, k=MAX_LENGTH))
    id = seal(Ticket("aa", 1000.0, "2025-11-25", noise), KEY)
    assert id == "aa"
    assert unseal(id, KEY, 1000.0) is None


@pytest.mark.parametrize("id", ["", "a", "!!", "é", "0189", "a" * 64, "a" * (MAX_LENGTH + 1)])
def test_an_id_that_nobody_gave_is_none_of_ours(id: str) -> None:
    assert unseal(id, KEY, 1000.0) is None


def test_an_id_says_whose_it_is_without_naming_anybody() -> None:
    ann = "oidc_jwt:ann@example.com"
    mark = owner_mark(ann, KEY)
    assert mark == owner_mark(ann, KEY)
    others = {
        owner_mark("bearer:ann@example.com", KEY),
        owner_mark(ann, b"o" * 32),
        owner_mark(ann + " ", KEY),
    }
    assert len(others - {mark}) == 3
    assert "ann" not in mark
    assert owner_mark("", KEY) == ""


def test_a_ticket_of_an_older_version_is_nobodys() -> None:
    class Older(msgspec.Struct, frozen=True, array_like=True):
        nonce: str
        issued: float
        version: str
        capabilities: str

    id = seal(Older("aa", 1000.0, "2025-11-25", "{}"), KEY)  # type: ignore[arg-type]
    found = unseal(id, KEY, 1000.0)
    assert found is not None
    assert found.owner == ""
