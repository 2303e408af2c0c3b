"""What a listener refuses before it looks at a request: the HTTP statuses. Pure."""

from __future__ import annotations

from callmux.failures.terms import Actor, KnownFailure, Repeat

FAILURES = (
    KnownFailure(
        "http_400",
        "the HTTP request is not one that MCP allows",
        "A header is missing, is given twice or contradicts the body, a session is initialized twice, or the "
        "id of a request in flight is used again.",
        Repeat.NO,
        Actor.AUTHOR,
        "correct the client as the message says",
    ),
    KnownFailure(
        "http_401",
        "the listener wants a token, and the one it was given is missing or not valid",
        "`auth` is configured. The token is not in its list, was taken out, has expired, or is for another "
        "audience.",
        Repeat.NO,
        Actor.USER,
        "give a valid token: CALLMUX_TOKEN, --token-file, or the header Authorization of the client's entry",
    ),
    KnownFailure(
        "http_403",
        "the request may not come from there, or with these rights",
        "A web page of another origin asks, the Host header names another machine, the address is in "
        "`abuseControls`' deny list, or the token lacks a scope.",
        Repeat.NO,
        Actor.ADMINISTRATOR,
        "ask from an allowed place, or allow this one in the configuration",
    ),
    KnownFailure(
        "http_404",
        "there is nothing at this path, or the session is unknown",
        "The path of the URL is wrong (it is usually /mcp), or the session has ended or belongs to somebody "
        "else.",
        Repeat.NO,
        Actor.USER,
        "correct the path; where it is right, initialize a new session",
    ),
    KnownFailure(
        "http_405",
        "this path does not take the HTTP method",
        "The header Allow of the answer names those it takes.",
        Repeat.NO,
        Actor.AUTHOR,
        "use one of the methods in Allow",
    ),
    KnownFailure(
        "http_406",
        "the client takes neither JSON nor an event stream",
        "Its Accept header names neither `application/json` nor `text/event-stream`.",
        Repeat.NO,
        Actor.AUTHOR,
        "send Accept: application/json, text/event-stream",
    ),
    KnownFailure(
        "http_413",
        "the request is larger than it may be",
        "Its body is over `requestBodyMaxBytes` of the listener, or of the server that it is for.",
        Repeat.NO,
        Actor.ADMINISTRATOR,
        "send less, for example a file reference, or raise requestBodyMaxBytes",
    ),
    KnownFailure(
        "http_415",
        "the body is not JSON, or is compressed",
        "Content-Type must be `application/json`, and Content-Encoding must not be given.",
        Repeat.NO,
        Actor.AUTHOR,
        "send plain JSON with Content-Type: application/json",
    ),
    KnownFailure(
        "http_429",
        "there were too many requests",
        "A rate, or a bound on requests in flight, of `abuseControls` was reached. Retry-After says for how "
        "long.",
        Repeat.LATER,
        Actor.AGENT,
        "wait for the seconds in Retry-After, then ask again",
    ),
    KnownFailure(
        "http_503",
        "the listener is being stopped or replaced, or has no room for another session",
        "Nothing was begun. Retry-After says when to ask again.",
        Repeat.LATER,
        Actor.NOBODY,
        "wait for the seconds in Retry-After, then ask again",
    ),
)
