"""What people and programs are shown."""

from __future__ import annotations

from callmux.doctor.report import Report, ServerReport, failure, text_lines


def test_c4_text_shows_findings_beside_the_servers() -> None:
    """C4: the original hides them as soon as there is a server."""
    servers = [
        ServerReport(name="a", command="x", status="ok", executable_path="/bin/x", tool_count=2),
        ServerReport(name="b", command="y", status="error", issues=["broken"]),
        ServerReport(name="c", command="z", status="disabled"),
    ]
    report = Report(
        ok=False,
        config_path="c.json",
        format="native",
        server_count=3,
        cache_ttl_seconds=60,
        max_concurrency=20,
        issues=["a finding", "b: broken"],
        warnings=["a warning"],
        servers=servers,
    )
    assert text_lines(report) == [
        "Status: issues found",
        "Config: c.json",
        "Format: native",
        "Servers: 3",
        "Cache TTL: 60s",
        "Max concurrency: 20",
        "",
        "Issue: a finding",
        "Warning: a warning",
        "",
        "[ok] a",
        "  command: x",
        "  executable: /bin/x",
        "  tools: 2",
        "",
        "[error] b",
        "  command: y",
        "  tools: 0",
        "  issue: broken",
        "",
        "[disabled] c",
        "  command: z",
    ]


def test_a_file_that_cannot_be_used() -> None:
    report = failure("c.json", "invalid", ["why"])
    assert (report.ok, report.server_count, report.servers) == (False, 0, [])
    assert text_lines(report)[-1] == "Issue: why"
