"""The two ways of talking to a model over HTTP, and what each says of tokens. Called by `replay.agent`.

A conversation is kept as its endpoint wants it; nothing else here knows of a task or of a server.
"""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SECONDS = 600
"""How long a model may take for one answer."""
AGAIN = (408, 409, 425, 429, 500, 502, 503, 504, 529)
"""Statuses after which the same request is worth another try."""
TRIES = 5
LONGEST_PAUSE = 60.0


class EndpointError(Exception):
    """The endpoint did not answer as its protocol says."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A call that the model asks for; `arguments` is None where they are not a JSON object."""

    id: str
    tool: str
    arguments: dict[str, Any] | None


@dataclass(frozen=True, slots=True)
class Told:
    """What came of a call."""

    id: str
    text: str
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of the model.

    Attributes:
        text: What it says.
        calls: What it asks for.
        read: Tokens of the request as the endpoint counts them, those from its cache included.
        cached: How many of these came from its cache.
        written: Tokens of the answer.
        whole: It was not cut at the longest answer that is allowed.
    """

    text: str
    calls: tuple[Asked, ...]
    read: int
    cached: int
    written: int
    whole: bool = True


class Endpoint(ABC):
    """A conversation with one model.

    Args:
        url: The base address, such as `https://api.openai.com/v1`.
        model: The model's name.
        key: The key; empty where none is needed.
        longest: Tokens that an answer may have; 0 leaves that to the endpoint where it can.
    """

    path: str

    def __init__(self, url: str, model: str, key: str, longest: int = 0) -> None:
        self._url = url.rstrip("/") + self.path
        self._model = model
        self._key = key
        self._longest = longest
        self._messages: list[dict[str, Any]] = []
        self._tools: list[dict[str, Any]] = []
        self._system = ""

    def begin(self, system: str, request: str, tools: Sequence[Mapping[str, Any]]) -> Reply:
        """The answer to a request of the user's, with tools as MCP lists them."""
        self._system = system
        self._tools = [self._tool(tool) for tool in tools]
        self._messages = [{"role": "user", "content": request}]
        return self._next()

    def tell(self, results: Sequence[Told]) -> Reply:
        """The answer to the results of all calls that were asked for."""
        self._messages += self._results(results)
        return self._next()

    def _next(self) -> Reply:
        answer = _posted(self._url, self._headers(), self._body())
        try:
            return self._read(answer)
        except (KeyError, IndexError, TypeError, AttributeError) as problem:
            said = json.dumps(answer)[:500]
            raise EndpointError(f"an answer of another form ({problem!r}): {said}") from problem

    @abstractmethod
    def _tool(self, tool: Mapping[str, Any]) -> dict[str, Any]: ...

    @abstractmethod
    def _results(self, results: Sequence[Told]) -> list[dict[str, Any]]: ...

    @abstractmethod
    def _headers(self) -> dict[str, str]: ...

    @abstractmethod
    def _body(self) -> dict[str, Any]: ...

    @abstractmethod
    def _read(self, answer: dict[str, Any]) -> Reply: ...


class ChatCompletions(Endpoint):
    """What OpenAI and many others offer as `/chat/completions`."""

    path = "/chat/completions"

    def _tool(self, tool: Mapping[str, Any]) -> dict[str, Any]:
        described = {"name": tool["name"], "description": tool.get("description", "")}
        return {"type": "function", "function": {**described, "parameters": tool["inputSchema"]}}

    def _results(self, results: Sequence[Told]) -> list[dict[str, Any]]:
        return [{"role": "tool", "tool_call_id": told.id, "content": told.text} for told in results]

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._key}"} if self._key else {}

    def _body(self) -> dict[str, Any]:
        messages = [{"role": "system", "content": self._system}, *self._messages]
        longest = {"max_completion_tokens": self._longest} if self._longest else {}
        return {"model": self._model, "messages": messages, "tools": self._tools, **longest}

    def _read(self, answer: dict[str, Any]) -> Reply:
        choice, usage = answer["choices"][0], answer["usage"]
        message = choice["message"]
        self._messages.append({key: value for key, value in message.items() if value is not None})
        calls = tuple(
            Asked(call["id"], call["function"]["name"], _object(call["function"].get("arguments") or "{}"))
            for call in message.get("tool_calls") or ()
        )
        return Reply(
            text=message.get("content") or "",
            calls=calls,
            read=usage["prompt_tokens"],
            cached=(usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0,
            written=usage["completion_tokens"],
            whole=choice.get("finish_reason") != "length",
        )


class Messages(Endpoint):
    """What Anthropic and some others offer as `/messages`."""

    path = "/messages"
    default_longest = 8192

    def _tool(self, tool: Mapping[str, Any]) -> dict[str, Any]:
        described = {"name": tool["name"], "description": tool.get("description", "")}
        return {**described, "input_schema": tool["inputSchema"]}

    def _results(self, results: Sequence[Told]) -> list[dict[str, Any]]:
        blocks = [
            {"type": "tool_result", "tool_use_id": told.id, "content": told.text}
            | ({"is_error": True} if told.failed else {})
            for told in results
        ]
        return [{"role": "user", "content": blocks}]

    def _headers(self) -> dict[str, str]:
        return {"anthropic-version": "2023-06-01"} | ({"x-api-key": self._key} if self._key else {})

    def _body(self) -> dict[str, Any]:
        said: dict[str, Any] = {
            "model": self._model,
            "max_tokens": self._longest or self.default_longest,
            "messages": self._messages,
            "tools": self._tools,
        }
        return said | ({"system": self._system} if self._system else {})

    def _read(self, answer: dict[str, Any]) -> Reply:
        blocks, usage = answer["content"], answer["usage"]
        self._messages.append({"role": "assistant", "content": blocks})
        cached = usage.get("cache_read_input_tokens") or 0
        kept = usage.get("cache_creation_input_tokens") or 0
        return Reply(
            text="".join(block["text"] for block in blocks if block["type"] == "text"),
            calls=tuple(
                Asked(
                    block["id"], block["name"], block["input"] if isinstance(block["input"], dict) else None
                )
                for block in blocks
                if block["type"] == "tool_use"
            ),
            read=usage["input_tokens"] + cached + kept,
            cached=cached,
            written=usage["output_tokens"],
            whole=answer.get("stop_reason") != "max_tokens",
        )


ENDPOINTS: dict[str, type[Endpoint]] = {"openai": ChatCompletions, "anthropic": Messages}


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _posted(url: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON object that is answered; a refusal for the moment is followed by another try."""
    sent = {"content-type": "application/json", "user-agent": "callmux-benchmark", **headers}
    data = json.dumps(body).encode()
    for attempt in range(1, TRIES + 1):
        request = urllib.request.Request(url, data, sent)
        try:
            with urllib.request.urlopen(request, timeout=SECONDS) as answer:
                value = json.loads(answer.read())
        except urllib.error.HTTPError as refused:
            with refused:
                said = refused.read(2000).decode("utf-8", "replace")
            if refused.code not in AGAIN or attempt == TRIES:
                raise EndpointError(f"{url} answered {refused.code}: {said}") from refused
            time.sleep(_pause(refused.headers.get("retry-after"), attempt))
            continue
        except (OSError, ValueError) as problem:
            raise EndpointError(f"{url}: {problem}") from problem
        if not isinstance(value, dict):
            raise EndpointError(f"{url} answered something that is no JSON object")
        return value
    raise AssertionError("the last try returns or raises")


def _pause(asked: str | None, attempt: int) -> float:
    try:
        return min(max(float(asked or ""), 0.0), LONGEST_PAUSE)
    except ValueError:
        return min(2.0**attempt, LONGEST_PAUSE)
