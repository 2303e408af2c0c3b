"""What people and programs are shown."""

from __future__ import annotations

from callmux.doctor.report import (
    ClientReport,
    Report,
    ServerReport,
    failure,
    text_lines,
    with_byte_code,
    with_clients,
    with_state,
)


def test_text_shows_findings_beside_the_servers() -> None:
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
        "",
        "Result: issues found: 1 of 2 servers work, 1 disabled; 2 issues; 1 warning (b)",
    ]


def test_what_a_preset_sets_stands_beside_the_settings() -> None:
    lines = text_lines(Report(ok=True, config_path="c", format="native", preset=["Preset x", "but y"]))
    assert lines[5:9] == ["Max concurrency: 0", "Preset x", "but y", ""]


def test_the_last_line_says_what_it_comes_to() -> None:
    good = ServerReport(name="a", command="x", status="ok")
    bad = ServerReport(name="b", command="x", status="error", issues=["broken"])

    def last(*servers: ServerReport, issues: list[str] | None = None) -> str:
        return text_lines(
            Report(
                ok=not issues,
                config_path="c",
                format="native",
                issues=issues or [],
                servers=list(servers),
            )
        )[-1]

    assert last(good) == "Result: ok: 1 server, it works"
    assert last(good, good) == "Result: ok: 2 of 2 servers work"
    assert last() == "Result: ok: 0 of 0 servers work"
    assert last(bad, issues=["b: broken"]) == "Result: issues found: 1 server, it does not work; 1 issue (b)"
    many = [ServerReport(name=f"s{n}", command="x", status="error", issues=["x"]) for n in range(9)]
    assert last(*many, issues=["x"] * 9).endswith("(s0, s1, s2, s3, s4 and 4 more)")


def test_a_file_that_cannot_be_used() -> None:
    report = failure("c.json", "invalid", ["why"])
    assert (report.ok, report.server_count, report.servers) == (False, 0, [])
    assert text_lines(report)[-3:] == [
        "Issue: why",
        "",
        "Result: issues found: the configuration is invalid",
    ]


def test_what_clients_have_entered_stands_below_the_servers() -> None:
    server = ServerReport(name="a", command="x", status="error", issues=["broken"], stderr=["one", "two"])
    report = Report(ok=True, config_path="c", format="native", servers=[server])
    good = ClientReport(
        client="claude", path="/f", name="callmux", command="callmux", status="ok", warnings=["odd"]
    )
    bad = ClientReport(client="codex", path="/g", name="", command="", status="error", issues=["no TOML"])
    shown = with_clients(report, [good, bad])
    assert not shown.ok
    assert shown.issues == ["client codex (/g): no TOML"]
    assert shown.warnings == ['client claude (/f) "callmux": odd']
    lines = text_lines(shown)
    assert lines[lines.index("[error] a") :] == [
        "[error] a",
        "  command: x",
        "  tools: 0",
        "  issue: broken",
        "  its last lines:",
        "    one",
        "    two",
        "",
        '[ok] client claude (/f) "callmux"',
        "  command: callmux",
        "  warning: odd",
        "",
        "[error] client codex (/g)",
        "  issue: no TOML",
        "",
        "Result: issues found: 1 server, it does not work; 1 issue; 1 warning (a, client codex)",
    ]
    assert with_clients(report, [good]).ok


def test_what_could_be_better_on_this_machine_stands_behind_the_other_warnings() -> None:
    report = with_byte_code(
        Report(ok=True, config_path="c", format="native", warnings=["one"]), None, ["two"]
    )
    assert (report.ok, report.warnings) == (True, ["one", "two"])
    assert text_lines(report)[-4:-1] == ["Warning: one", "Warning: two", ""]


def test_what_listeners_share_stands_there_and_what_is_wrong_with_it_counts() -> None:
    fine = Report(ok=True, config_path="c", format="native")
    report = with_state(fine, ["state.key is wrong"], ["state: odd"], ["State: Redis 7"])
    assert not report.ok
    lines = text_lines(report)
    for line in ("State: Redis 7", "Issue: state.key is wrong", "Warning: state: odd"):
        assert line in lines
    assert with_state(fine, [], [], []) == fine
