"""Who reads the configuration knows as what the one in force was written."""

from __future__ import annotations

from callmux.config.model import Config
from callmux.config.overlay import Overlay
from callmux.config.sources import Sources
from callmux.serving.reading import ConfigReader


def test_a_configuration_leads_to_its_document() -> None:
    given: list[Overlay | None] = []

    def load(sources: Sources, overlay: Overlay | None = None) -> Config:
        given.append(overlay)
        sources.document = {"number": len(given)}
        return Config()

    first = Config()
    reading = ConfigReader(load, first, {"number": 0})
    assert reading.document(first) == {"number": 0}
    refused = reading.read(Sources(), Overlay())
    second = reading.read(Sources())
    assert given == [Overlay(), None]
    # The reading that was refused changed nothing.
    assert reading.document(first) == {"number": 0}
    assert reading.document(second) == {"number": 2}
    reading.take_effect(second)
    assert reading.document(second) == {"number": 2}
    # Nothing before it is kept.
    assert reading.document(first) == {}
    assert reading.document(refused) == {}
    assert reading.document(Config()) == {}
