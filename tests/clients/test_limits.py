"""What clients' settings forbid."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.clients.entry import Entry
from callmux.clients.limits import Limits, Role, Settings, limits, shown

ENTRY = Entry(command="x")


def claude(*documents: Any, role: Role = "user", project: str | None = None, **more: Any) -> Limits:
    settings = [Settings("claude", role, f"/{n}", project, document) for n, document in enumerate(documents)]
    return limits("claude", "my.server", ENTRY, settings, **more)


def denying(*rules: str) -> dict[str, Any]:
    return {"permissions": {"deny": list(rules)}}


def test_a_tool_denied_in_claude_code_is_named_as_it_is_shown() -> None:
    found = claude(
        denying("mcp__my_server__with_dot", "Bash(rm:*)", "mcp__other__x"), denying("mcp__my_server__b")
    )
    assert found == Limits(denied_as_shown=frozenset({"with_dot", "b"}))
    assert shown("with.dot") == "with_dot"


@pytest.mark.parametrize(
    "rule",
    [
        "mcp__my_server",
        "mcp__my_server__*",
        "mcp__my_server__get_*",
        "mcp__my_server__get(path:/x)",
        "mcp__*",
        "mcp__my_*",
        "mcp__my_server*",
    ],
)
def test_a_rule_that_may_mean_more_than_one_tool_is_a_reason(rule: str) -> None:
    found = claude(denying(rule))
    assert rule in found.reasons[0]
    assert not found.denied_as_shown


@pytest.mark.parametrize(
    "rule", ["mcp__my", "mcp__my_server2", "mcp__my_server2__x", "mcp__other__*", "*", "Read"]
)
def test_rules_about_others_are_none(rule: str) -> None:
    assert claude(denying(rule)) == Limits()


def test_a_rule_of_one_project_counts_there_only() -> None:
    rule = denying("mcp__my_server__x")
    assert "in /p only" in claude(rule, role="project", project="/p").reasons[0]
    own = limits("claude", "my.server", ENTRY, [Settings("claude", "project", "/f", "/p", rule)], "/p")
    assert own == Limits(denied_as_shown=frozenset({"x"}))
    both = [Settings("claude", "project", "/f", "/p", rule), Settings("claude", "user", "/u", None, rule)]
    assert limits("claude", "my.server", ENTRY, both) == Limits(denied_as_shown=frozenset({"x"}))


@pytest.mark.parametrize("rule", ["mcp__my_server__x", "mcp__my_server", "mcp__my_server__*"])
def test_questions_before_a_call_are_a_reason(rule: str) -> None:
    assert "asks" in claude({"permissions": {"ask": [rule]}}).reasons[0]


def test_a_hook_on_its_tools_is_a_reason() -> None:
    hook = {"hooks": {"PreToolUse": [{"matcher": "mcp__my_server__.*", "hooks": []}]}}
    assert "a hook" in claude(hook).reasons[0]
    assert claude({"hooks": {"PreToolUse": [{"matcher": "Bash", "hooks": []}, {"hooks": []}]}}) == Limits()


def test_servers_switched_off_in_any_project_are_off() -> None:
    state = {"projects": {"/q": {"disabledMcpServers": ["my.server"]}, "/r": {}}}
    assert "for /q" in claude(state, role="state").reasons[0]
    assert "all projects" in claude({"disabledMcpServers": ["my.server"]}).reasons[0]


@pytest.mark.parametrize(
    ("role", "project", "document"),
    [
        ("state", None, {"projects": {"/p": {"disabledMcpjsonServers": ["my.server"]}}}),
        ("user", None, {"disabledMcpjsonServers": ["my.server"]}),
        ("project", "/p", {"disabledMcpjsonServers": ["my.server"]}),
    ],
)
def test_a_server_of_a_project_that_was_rejected_stays_rejected(
    role: Role, project: str | None, document: Any
) -> None:
    settings = [Settings("claude", role, "/f", project, document)]
    assert limits("claude", "my.server", ENTRY, settings, "/p", True).reasons == (
        "you rejected it in Claude Code (disabledMcpjsonServers)",
    )
    assert limits("claude", "my.server", ENTRY, settings).reasons == ()


def test_cursors_command_line_denies_by_name() -> None:
    def cursor(rule: str, project: str | None = None) -> Limits:
        return limits("cursor", "git", ENTRY, [Settings("cursor", "user", "/c", project, denying(rule))])

    assert cursor("Mcp(git:push)") == Limits(denied=frozenset({"push"}))
    assert cursor("Mcp(other:push)") == Limits()
    assert cursor("Shell(git)") == Limits()
    for rule in ("Mcp(git:*)", "Mcp(*:push*)", "Mcp(git)"):
        assert cursor(rule).reasons
    assert cursor("Mcp(git:push)", "/p").reasons


@pytest.mark.parametrize(
    ("role", "project", "document"),
    [
        ("user", None, {"tools": {"exclude": ["mcp_git_push"]}}),
        ("user", None, {"excludeTools": ["git__push"]}),
        ("policy", None, {"rule": [{"mcpName": "git", "decision": "deny", "priority": 1}]}),
        ("policy", None, {"rule": [{"toolName": "git__push", "decision": "ask_user"}]}),
        ("policy", None, {"rule": [{"toolName": ["mcp_git_push"], "decision": "deny"}]}),
        ("managed", None, {"mcpServers": {"git": {"command": "x"}}}),
        ("project", "/p", {"mcpServers": {"git": {"excludeTools": ["push"]}}}),
    ],
)
def test_gemini_clis_rules_about_a_server_are_reasons(role: Role, project: str | None, document: Any) -> None:
    settings = [Settings("gemini", role, "/s", project, document)]
    assert limits("gemini", "git", ENTRY, settings).reasons
    assert limits("gemini", "other", ENTRY, settings).reasons == ()


def test_what_changes_a_server_of_codex_is_a_reason() -> None:
    managed = Settings(
        "codex", "override", "/etc/codex/managed_config.toml", None, {"mcp_servers": {"git": {}}}
    )
    project = Settings("codex", "project", "/c", "/p", {"mcp_servers": {"git": {"enabled": False}}})
    for settings in (managed, project):
        assert limits("codex", "git", ENTRY, [settings]).reasons
        assert limits("codex", "other", ENTRY, [settings]) == Limits()


def test_settings_that_cannot_be_read_may_forbid_anything() -> None:
    broken = Settings("claude", "user", "/s", problem="not JSON")
    assert limits("claude", "x", ENTRY, [broken]).reasons == ("/s cannot be read: not JSON",)
    assert limits("codex", "x", ENTRY, [broken]) == Limits()


@pytest.mark.parametrize(
    ("matcher", "watched"),
    [
        ("mcp__(my_server|y)__.*", True),
        (".*__delete", True),
        ("Bash|mcp__my_.*", True),
        ("mcp__(", False),
        ("mcp__my_server__x", True),
        ("", False),
        ("*", False),
        (".*", False),
        ("mcp__.*", False),
        ("^(Edit|Write)$", False),
        ("Notebook.*", False),
        ("mcp__other__.*", False),
    ],
)
def test_a_hook_that_may_see_its_calls_but_not_those_of_callmux_is_a_reason(
    matcher: str, watched: bool
) -> None:
    found = claude({"hooks": {"PreToolUse": [{"matcher": matcher}]}})
    assert bool(found.reasons) is watched


@pytest.mark.parametrize(
    ("rule", "about"),
    [
        ({"mcpName": "*", "toolName": "rm"}, True),
        ({"toolName": "*__rm"}, True),
        ({"toolName": "mcp_my_*"}, True),
        ({"toolName": "*"}, False),
        ({"mcpName": "*"}, False),
        ({"toolName": "run_shell_command"}, False),
    ],
)
def test_a_rule_of_gemini_cli_counts_unless_it_is_as_much_about_callmux(
    rule: dict[str, str], about: bool
) -> None:
    document = {"rule": [{**rule, "decision": "deny"}]}
    found = limits("gemini", "my.server", ENTRY, [Settings("gemini", "policy", "/p", None, document)])
    assert bool(found.reasons) is about


def test_a_tool_that_gemini_cli_excludes_by_its_bare_name_is_denied_where_a_server_has_it() -> None:
    documents: list[dict[str, Any]] = [
        {"excludeTools": ["rm", "run_shell_command(rm)", "x__y"]},
        {"tools": {"exclude": ["drop(x)", "mcp_a_b"]}},
    ]
    settings = [Settings("gemini", "user", "/s", None, document) for document in documents]
    assert limits("gemini", "my.server", ENTRY, settings) == Limits(denied_if_there=frozenset({"rm", "drop"}))


def test_what_vs_code_may_not_use_at_all_is_a_reason() -> None:
    settings = [Settings("vscode", "user", "/s", None, {"chat.mcp.access": "none"})]
    assert limits("vscode", "a", ENTRY, settings).reasons == ("VS Code may not use it (chat.mcp.access)",)


def test_a_client_without_rules_of_its_own_forbids_nothing() -> None:
    assert limits("windsurf", "a", ENTRY, [Settings("windsurf", "user", "/s", None, {})]) == Limits()


def test_what_claude_code_may_call_without_a_question_is_kept_and_what_it_asks_about_is_a_reason() -> None:
    rules = ["mcp__my_server__a", "mcp__other__a", "mcp__my_server", "Bash"]
    found = claude({"permissions": {"allow": rules, "ask": ["mcp__other__b", "mcp__my_server__c"]}})
    assert found == Limits(
        allowed=("mcp__my_server__a", "mcp__my_server"),
        reasons=('Claude Code asks before its calls: "mcp__my_server__c"',),
    )


def test_a_rule_of_gemini_that_allows_is_no_reason() -> None:
    rules = [{"decision": "allow", "mcpName": "a"}, "not a rule", {"decision": "DENY", "mcpName": "b"}]
    policy = Settings("gemini", "policy", "/p", None, {"rule": rules})
    assert limits("gemini", "a", ENTRY, [policy]).reasons == ()
    assert limits("gemini", "b", ENTRY, [policy]).reasons == ("a rule of Gemini CLI is about it (/p)",)
