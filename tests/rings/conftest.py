"""The tests of stages run three times: as they are, with each enter waiting, and with each leave waiting."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.traffic.ways import WAYS, driven

STAGES = {
    *("rings.test_coalescing", "rings.test_converting", "rings.test_formatting", "rings.test_limiting"),
    *("rings.test_preparing", "rings.test_relinking", "rings.test_retrying", "rings.test_writing"),
    *("rings.cache.test_stage", "rings.shield.test_stage"),
}
"""Test files of stages."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.module.__name__.removeprefix("tests.") in STAGES:
        metafunc.parametrize("driving", WAYS, indirect=True)


@pytest.fixture(autouse=True)
def driving(request: pytest.FixtureRequest) -> Iterator[None]:
    with driven(getattr(request, "param", "ready"), random.Random(1), timed=False):
        yield
