"""The configuration says who listens, and may change its mind."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from callmux.clock import Clock
from callmux.config.model import Config
from callmux.config.observing import AuditLog, Metrics, OpenTelemetry
from callmux.observe import telemetry
from callmux.observe.bus import Bus
from callmux.observe.facts import CallEnded, Configured
from callmux.process.observers import Observers
from tests.support import SECONDS, eventually

CALL = CallEnded(server="s", method="tools/call", target="t", spelled="t", seconds=0)


def test_nobody_listens_where_nothing_is_asked_for(tmp_path: Path) -> None:
    bus = Bus()
    observers = Observers(bus, tmp_path, Clock(), lambda text: None)
    observers.configure(Config())
    assert (bus.calls, bus.http, bus.requests) == (False, False, False)
    observers.close()


def test_the_audit_log_is_begun_moved_and_ended_by_reloads(tmp_path: Path) -> None:
    bus = Bus()
    shown: list[str] = []
    observers = Observers(bus, tmp_path, Clock(), shown.append)
    observers.configure(Config())
    bus.publish(Configured(config=Config(audit_log=AuditLog(enabled=True))))
    bus.publish(CALL)
    bus.publish(Configured(config=Config(audit_log=AuditLog(enabled=True, path="audit.jsonl"))))
    bus.publish(CALL)
    bus.publish(CALL)
    observers.close()
    assert len((tmp_path / "audit.jsonl").read_text().splitlines()) == 2
    assert [json.loads(line)["event"] for line in "".join(shown).splitlines()] == ["call"]


def test_a_log_that_was_switched_off_is_whole_when_the_process_ends(tmp_path: Path) -> None:
    bus = Bus()
    observers = Observers(bus, tmp_path, Clock(), lambda text: None)
    observers.configure(Config(audit_log=AuditLog(enabled=True, path="audit.jsonl")))
    bus.publish(CALL)
    bus.publish(Configured(config=Config()))
    observers.close()
    assert len((tmp_path / "audit.jsonl").read_text().splitlines()) == 1


def test_a_reload_that_changes_something_else_leaves_the_log_alone(tmp_path: Path) -> None:
    bus = Bus()
    shown: list[str] = []
    observers = Observers(bus, tmp_path, Clock(), shown.append)
    observers.configure(Config(audit_log=AuditLog(enabled=True)))
    before = observers._audit
    bus.publish(Configured(config=Config(audit_log=AuditLog(enabled=True), cache_ttl_seconds=5)))
    assert observers._audit is before
    bus.publish(Configured(config=Config()))
    assert not bus.calls
    observers.close()


def test_counting_is_for_listeners_and_goes_on_over_reloads(tmp_path: Path) -> None:
    bus = Bus()
    Observers(bus, tmp_path, Clock(), lambda text: None).configure(Config())
    assert not bus.calls
    observers = Observers(bus, tmp_path, Clock(), lambda text: None, listens=True)
    observers.configure(Config())
    bus.publish(CALL)
    before = observers.totals
    assert before is not None
    bus.publish(Configured(config=Config(metrics=Metrics(path="/m"))))
    bus.publish(CALL)
    bus.publish(Configured(config=Config(metrics=Metrics(enabled=False))))
    assert not bus.calls
    bus.publish(Configured(config=Config()))
    bus.publish(CALL)
    assert observers.totals is before
    assert before.calls["s", "t"]["ok"] == 3


def test_telemetry_begins_and_ends_with_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[tuple[Any, ...]] = []

    class Fake:
        def __init__(self, *given: Any) -> None:
            self.calls: list[Any] = [given[:2]]
            made.append(self)  # type: ignore[arg-type]

        def leave(self) -> None:
            self.calls.append("leave")

        def close(self, seconds: float) -> None:
            self.calls.append("close")

    monkeypatch.setattr(telemetry, "exporting", Fake)
    bus = Bus()
    observers = Observers(bus, tmp_path, Clock(), lambda text: None)
    observers.configure(Config())
    assert made == []
    on = OpenTelemetry(enabled=True, endpoint="http://x:4318", service_name="ours")
    bus.publish(Configured(config=Config(open_telemetry=on)))
    bus.publish(Configured(config=Config(open_telemetry=on, cache_ttl_seconds=1)))
    bus.publish(Configured(config=Config(open_telemetry=OpenTelemetry(enabled=True))))
    observers.close()
    eventually(lambda: all("close" in one.calls for one in made))  # type: ignore[attr-defined]
    assert [one.calls for one in made] == [  # type: ignore[attr-defined]
        [("ours", "http://x:4318"), "leave", "close"],
        [("callmux", None), "leave", "close"],
    ]


def test_without_the_extra_telemetry_is_missing_and_said_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "callmux.observe.telemetry", None)
    monkeypatch.setattr(logging.getLogger("callmux"), "propagate", True)
    observers = Observers(Bus(), tmp_path, Clock(), lambda text: None)
    observers.configure(Config(open_telemetry=OpenTelemetry(enabled=True)))
    assert "pip install 'callmux[otel]'" in caplog.text
    observers.close()


def test_a_start_without_a_listener_loads_none() -> None:
    code = "import sys, callmux.cli.main, callmux.cli.serve; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS, text=True).split()
    heavy = {"totals", "audit", "audit_lines", "payload", "scribe", "feed", "log_file"}
    assert not {f"callmux.observe.{name}" for name in heavy} & set(loaded)
    assert not {"prometheus_client", "opentelemetry"} & set(loaded)


def test_a_listener_loads_no_prometheus_client_before_the_first_scrape() -> None:
    code = "import sys, callmux.cli.listen, callmux.serving.assembly; print(*sys.modules)"
    loaded = subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS, text=True).split()
    assert "callmux.admin.metrics" in loaded
    assert "prometheus_client" not in loaded
