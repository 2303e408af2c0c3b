"""Sections about what a listener shows and records."""

from __future__ import annotations

from callmux.config.check import check_document
from callmux.config.observing import AuditLog, Dashboard, EventStore, Metrics, OpenTelemetry


def test_defaults() -> None:
    assert AuditLog() == AuditLog(
        enabled=False,
        include_request_body=False,
        max_payload_chars=4096,
        redact_keys=(),
        path=None,
        max_file_bytes=10 * 1024 * 1024,
        max_files=5,
    )
    assert Metrics() == Metrics(enabled=True, path="/metrics", allow_unauthenticated=False)
    assert OpenTelemetry() == OpenTelemetry(enabled=False, endpoint=None, service_name="callmux")
    assert Dashboard() == Dashboard(enabled=False, path="/dashboard", max_events=500)
    assert EventStore() == EventStore(max_rows=100000, retention_days=14, prune_every=100)


def test_an_empty_section_is_as_if_absent() -> None:
    checked = check_document({"servers": {}, "metrics": {}, "auditLog": {}, "dashboard": {"path": "ops"}})
    assert checked.errors == []
    assert (checked.config.metrics, checked.config.audit_log) == (Metrics(), AuditLog())
    assert checked.config.dashboard.path == "/ops"
