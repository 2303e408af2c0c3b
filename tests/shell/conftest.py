"""A fake listener for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.shell.fake_listener import FakeListener, fake_listener


@pytest.fixture
def fake() -> Iterator[FakeListener]:
    with fake_listener() as listener:
        yield listener
