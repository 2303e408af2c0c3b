"""What a listener shows and records of itself. Pure.

Read through `callmux.config.model`.
"""

from __future__ import annotations

from callmux.config import kinds
from callmux.config.section import Section


class AuditLog(Section, frozen=True, kw_only=True):
    """One JSON line for each request, and one for each call to a server.

    Attributes:
        enabled: Write the log.
        include_request_body: Include the (redacted) body of HTTP requests.
        max_payload_chars: Where a body is cut; 0 leaves it out.
        redact_keys: Parts of further keys whose values are hidden.
        path: The file to write, relative to the configuration file; stderr where absent.
        max_file_bytes: From which size on a new file is begun; 0 never does.
        max_files: How many earlier files are kept, as `PATH.1`, `PATH.2` and so on.
    """

    enabled: kinds.Flag = False
    include_request_body: kinds.Flag = False
    max_payload_chars: kinds.NonNegative = 4096
    redact_keys: tuple[kinds.Text, ...] = ()
    path: kinds.NonBlank | None = None
    max_file_bytes: kinds.NonNegative = 10485760
    max_files: kinds.NonNegative = 5


class Metrics(Section, frozen=True, kw_only=True):
    """Counters for Prometheus.

    Attributes:
        enabled: Serve them.
        path: Where.
        allow_unauthenticated: Without a credential, even if `auth` is set.
    """

    enabled: kinds.Flag = True
    path: kinds.UrlPath = "/metrics"
    allow_unauthenticated: kinds.Flag = False


class OpenTelemetry(Section, frozen=True, kw_only=True):
    """Traces and metrics by OpenTelemetry, for the extra `callmux[otel]`.

    Attributes:
        enabled: Send them.
        endpoint: The collector that takes OTLP over HTTP; where absent, `OTEL_EXPORTER_OTLP_ENDPOINT`.
        service_name: What callmux is shown as, unless `OTEL_SERVICE_NAME` says it.
    """

    enabled: kinds.Flag = False
    endpoint: kinds.Url | None = None
    service_name: kinds.NonBlank = "callmux"


class Dashboard(Section, frozen=True, kw_only=True):
    """A page for people.

    Attributes:
        enabled: Serve it.
        path: Where.
        max_events: How many of the latest events it shows.
    """

    enabled: kinds.Flag = False
    path: kinds.MountPath = "/dashboard"
    max_events: kinds.Positive = 500


class EventStore(Section, frozen=True, kw_only=True):
    """A database of past calls.

    Attributes:
        enabled: Keep it.
        path: The SQLite file, relative to the configuration file; `callmux-events.sqlite` beside it where
            absent.
        max_rows: How many calls are kept; 0 for no limit.
        retention_days: For how many days; 0 for no limit.
        prune_every: After how many new calls old ones are dropped.
    """

    enabled: kinds.Flag = False
    path: kinds.NonBlank | None = None
    max_rows: kinds.NonNegative = 100000
    retention_days: kinds.NonNegative = 14
    prune_every: kinds.Positive = 100
