"""A failure is told by its kind, never by its words."""

from __future__ import annotations

import msgspec
import pytest
from msgspec import Raw

from callmux.config.veil import Veil
from callmux.upstream.failures import (
    CallFailure,
    Category,
    ended,
    late,
    lost,
    no_room,
    refused,
    timed_out,
    to_error,
    unavailable,
)


@pytest.mark.parametrize(
    ("category", "retryable", "phrase"),
    [
        (Category.TIMEOUT, True, ""),
        (Category.PROTOCOL, True, "downstream protocol error: "),
        (Category.SESSION, True, "downstream session error: "),
        (Category.AUTHORIZATION, False, "downstream authorization error: "),
        (Category.TRANSPORT, True, "downstream transport error: "),
        (Category.UNKNOWN, False, ""),
    ],
)
def test_each_category_has_its_phrase_and_may_pass_or_not(
    category: Category, retryable: bool, phrase: str
) -> None:
    failure = CallFailure(category, "timeout session unauthorized")
    error = to_error(failure, "s__t", "s", safe=False, retried=False)
    assert failure.retryable is retryable
    assert error.message == phrase + "timeout session unauthorized"
    assert error.details["category"] == category.value
    assert error.details["retryable"] is retryable


def test_the_caller_sees_what_it_needs_to_decide() -> None:
    error = to_error(lost("it ended", started=True), "s__t", "s", safe=False, retried=False)
    assert error.code == "tool_call_failed"
    assert error.details == {
        "tool": "s__t",
        "server": "s",
        "category": "transport",
        "rootCause": "it ended",
        "retryable": True,
        "safeToRetry": False,
        "executionState": "unknown",
    }


@pytest.mark.parametrize(
    ("started", "safe", "state", "may_repeat"),
    [
        (True, True, "unknown", True),
        (True, False, "unknown", False),
        (False, True, "not_started", True),
        (False, False, "not_started", True),
    ],
)
def test_what_never_began_may_be_repeated(started: bool, safe: bool, state: str, may_repeat: bool) -> None:
    error = to_error(timed_out("it", 1500.4, started=started), "t", "s", safe=safe, retried=True)
    assert error.message == "it timed out after 1500 ms"
    assert error.details["executionState"] == state
    assert error.details["safeToRetry"] is may_repeat
    assert error.details["retryAttempted"] is True


def test_a_refusal_keeps_its_code_and_data() -> None:
    failure = refused(Raw(b'{"code":-32602,"message":"no such thing","data":{"n":1.50},"extra":1}'))
    error = to_error(failure, "t", "s", safe=True, retried=False)
    assert failure.started
    assert error.message == "no such thing"
    assert error.details["jsonRpcCode"] == -32602
    data = error.details["jsonRpcData"]
    assert isinstance(data, Raw)
    assert bytes(data) == b'{"n":1.50}'


def test_a_refusal_without_words_or_data_says_its_code() -> None:
    error = to_error(refused(Raw(b'{"code":-5}')), "t", "s", safe=True, retried=False)
    assert error.message == "JSON-RPC error -5"
    assert "jsonRpcData" not in error.details


@pytest.mark.parametrize(
    ("category", "word"), [(Category.SESSION, "session"), (Category.AUTHORIZATION, "credentials")]
)
def test_some_failures_come_with_advice(category: Category, word: str) -> None:
    error = to_error(CallFailure(category, "x"), "t", "s", safe=True, retried=False)
    assert word in str(error.details["hint"])


def test_the_reason_is_the_text_of_the_exception() -> None:
    assert str(lost("it ended", started=False)) == "it ended"


def test_what_a_failure_proves_survives_a_veil() -> None:
    failure = CallFailure(Category.SESSION, "the key s3ntinel", started=True, over=True, untaken=False)
    hidden = failure.behind(Veil(["s3ntinel"]))
    assert "s3ntinel" not in hidden.cause
    assert (hidden.over, hidden.untaken, hidden.started) == (True, False, True)
    assert not hidden.repeatable(False)


@pytest.mark.parametrize("safe", [True, False])
def test_only_what_is_safe_or_surely_untaken_is_repeated(safe: bool) -> None:
    assert lost("nobody there", started=False).repeatable(safe)
    assert lost("it ended", started=True).repeatable(safe) is safe
    assert CallFailure(Category.PROTOCOL, "redirects", started=False, untaken=False).repeatable(safe) is safe
    assert not CallFailure(Category.UNKNOWN, "it said no").repeatable(safe)
    assert CallFailure(Category.UNKNOWN, "it said no", over=True).repeatable(safe) is safe


def test_what_was_sent_may_have_begun_whatever_carried_it() -> None:
    for transport in ("stdio", "sse", "streamable-http", "fake"):
        assert late(transport, "tools/call", 10).started
        why = lost("it ended", started=False)
        assert (ended(transport, why).started, ended(transport, why).cause) == (True, "it ended")


def test_secrets_in_what_a_server_answers_are_hidden_wherever_they_stand() -> None:
    secret = "s3cret-of-the-server"
    raw = b'{"code":-1,"message":"bad %b","data":{"list":["%b",1.5,null],"k-%b":true}}' % (
        (secret.encode(),) * 3
    )
    failure = refused(Raw(raw), Veil([secret]))
    assert failure.raw is not None
    assert secret.encode() not in failure.raw
    assert secret not in str(failure.cause)
    shown = msgspec.json.decode(failure.raw)
    assert shown["code"] == -1
    assert shown["data"]["list"][1:] == [1.5, None]
    assert failure.rpc is not None
    assert secret not in failure.rpc.message


def test_an_answer_without_secrets_stays_as_it_came() -> None:
    raw = b'{"code":-1,"message":"bad", "data":{"n":1.50}}'
    failure = refused(Raw(raw), Veil(["s3cret-of-the-server"]))
    assert failure.raw == raw
    assert failure.behind(Veil(["another-secret"])) is failure


@pytest.mark.parametrize(
    ("facts", "why", "reason"),
    [
        ({}, None, ""),
        ({"lastError": "it crashed"}, None, ": it crashed"),
        ({"lastError": "it crashed"}, "it is being stopped", ": it is being stopped"),
    ],
)
def test_a_call_to_a_server_that_is_down_was_not_sent(
    facts: dict[str, str], why: str | None, reason: str
) -> None:
    error = unavailable("gh", "get", facts, why)
    assert error.code == "downstream_unavailable"
    assert error.message.startswith(f'server "gh" is not connected{reason}. To go on, ')
    told = ("server", "tool", "retryable", "safeToRetry", "executionState")
    assert [error.details[key] for key in told] == ["gh", "get", True, True, "not_started"]


def test_a_call_to_a_server_that_waits_for_a_person_says_so() -> None:
    facts = {"lastError": "sign in with: callmux login gh", "signInNeeded": True}
    error = unavailable("gh", "get", facts)
    assert error.code == "sign_in_needed"
    assert error.message == 'server "gh": sign in with: callmux login gh'
    assert (error.details["retryable"], error.details["executionState"]) == (False, "not_started")
    assert unavailable("gh", "get", facts, "it is being stopped").code == "downstream_unavailable"


def test_a_call_that_a_server_refuses_for_want_of_a_person_says_so() -> None:
    cause = "sign in with: callmux login gh"
    failure = CallFailure(Category.AUTHORIZATION, cause, started=False, sign_in=True)
    error = to_error(failure, "gh__get", "gh", safe=True, retried=False)
    assert (error.code, error.details["tool"]) == ("sign_in_needed", "gh__get")


def test_a_call_that_may_have_begun_is_not_called_unstarted_for_want_of_a_person() -> None:
    failure = CallFailure(Category.AUTHORIZATION, "sign in with: callmux login gh", sign_in=True)
    error = to_error(failure, "gh__get", "gh", safe=False, retried=False)
    assert (error.code, error.details["executionState"]) == ("tool_call_failed", "unknown")
    assert "callmux login gh" in error.message


def test_a_call_without_a_connection_of_its_own_names_the_setting() -> None:
    error = no_room("gh", "get", 16, "maxScopedClientsPerServer")
    assert error.code == "scoped_client_capacity"
    assert "all 16 are busy" in error.message
    assert "maxScopedClientsPerServer" in error.message
    assert (error.details["tool"], error.details["safeToRetry"]) == ("get", True)


def test_a_failure_tells_those_who_come_later_when_it_is_tried_again() -> None:
    failure = lost("no such command", started=True).until(2.2)
    assert failure.cause == "no such command; the first call in 3 s tries again"
    assert (failure.started, failure.untaken) == (False, True)


@pytest.mark.parametrize(
    ("state", "told"),
    [("failed", "the next call after 12:00 tries again"), ("reconnecting", "callmux tries again at 12:00")],
)
def test_a_call_to_a_server_that_is_down_says_when_it_is_tried_again(state: str, told: str) -> None:
    facts = {"state": state, "lastError": "it ended", "nextRetryAt": "12:00"}
    assert told in str(unavailable("s", "t", facts))
    assert "12:00" not in str(unavailable("s", "t", facts, "it is stopped"))
