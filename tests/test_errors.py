"""Every failure has a code that never changes and details that can be shown."""

from __future__ import annotations

import pytest

from callmux import errors
from callmux.errors import CallmuxError, ConfigError, ServerNotFound

CODES = {
    "CallmuxError": "internal_error",
    "InvalidArguments": "invalid_arguments",
    "ToolNotFound": "tool_not_found",
    "ToolResolutionFailed": "tool_resolution_failed",
    "ArgumentResolutionFailed": "argument_resolution_failed",
    "RecipeNotFound": "recipe_not_found",
    "ToolRemoved": "tool_removed_after_reconnect",
    "ServerNotFound": "server_not_found",
    "ServerDisabled": "server_disabled",
    "UpstreamUnavailable": "downstream_unavailable",
    "SignInRequired": "sign_in_needed",
    "ToolCallFailed": "tool_call_failed",
    "SessionCwdUnresolved": "session_cwd_unresolved",
    "SessionCwdRefused": "session_cwd_refused",
    "ScopedClientCapacity": "scoped_client_capacity",
    "AuthorizationDenied": "authorization_denied",
    "CallGivenUp": "call_given_up",
    "ApprovalDenied": "approval_denied",
    "ApprovalTimeout": "approval_timeout",
    "ApprovalUnavailable": "approval_unavailable",
    "ResultNotFound": "result_not_found",
    "ResultPathNotFound": "result_path_not_found",
    "ResultUnreadable": "result_unreadable",
    "OutcomeUnknown": "outcome_unknown",
    "StoreUnavailable": "store_unavailable",
    "ConfigError": "invalid_config",
    "ConfigMissing": "config_missing",
    "StartupFailed": "startup_failed",
    "UsageError": "usage",
    "NotSupported": "not_supported",
    "SecretError": "secret_unresolved",
}
"""Callers decide by these: an entry may be added, never changed."""


@pytest.mark.parametrize(("name", "code"), CODES.items())
def test_codes_are_stable(name: str, code: str) -> None:
    assert getattr(errors, name).code == code


def test_every_error_stands_in_the_list_above() -> None:
    found = {
        n: e.code for n, e in vars(errors).items() if isinstance(e, type) and issubclass(e, CallmuxError)
    }
    assert {name: code for name, code in found.items() if name not in CODES} == {}


def test_codes_tell_errors_apart() -> None:
    assert len(set(CODES.values())) == len(CODES)


def test_details_keep_their_order_and_leave_nothing_out_but_none() -> None:
    error = ServerNotFound("no such server", server="x", hint=None, known=[], near=False)
    assert list(error.details.items()) == [("server", "x"), ("known", []), ("near", False)]
    assert (str(error), error.message) == ("no such server", "no such server")


def test_a_detail_may_be_called_message() -> None:
    assert CallmuxError("a", message="b").details == {"message": "b"}


def test_a_bad_configuration_names_every_problem() -> None:
    error = ConfigError(["servers.a: no command", "cacheTtlSeconds: no number"])
    assert error.problems == ["servers.a: no command", "cacheTtlSeconds: no number"]
    assert error.message == "servers.a: no command; cacheTtlSeconds: no number"
    assert error.details == {"issues": error.problems}
