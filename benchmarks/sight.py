"""What reaches the model of a real client: Claude Code, Codex and Gemini CLI, in front of a numbered server.

    python benchmarks/sight.py [--client claude] [--fillers 60] [--save FOLDER]

Needs what `scripts/interop` fetches with `CALLMUX_REQUIRE_CLIENTS=1`; no account and no network: the model is
a program on this machine that keeps each request, asks for one call of a tool in its first answer, and says
"done" in its second. A line for each request says how many characters of each numbered text stood in it. The
rows of `callmux.router.personas` say what was found so, and when.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import re
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from aiohttp import web
from clients import listening, program, started, written
from numbered import WIDTH

SERVER = Path(__file__).with_name("numbered.py")
LONGEST_SECONDS = 60.0
TEXTS = {
    "I": "instructions",
    "D": "description",
    "P": "parameter",
    "L": "description, alwaysLoad",
    "Q": "parameter, alwaysLoad",
}
TOOL = re.compile(r"\b[A-Za-z0-9_-]*plain_words\b")


class Model:
    """A model that asks for one call and is content then.

    Attributes:
        requests: The bodies that came, in order.
        asked: Whether it has asked for its call.
    """

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.asked = False

    async def answer(self, request: web.Request) -> web.Response:
        said = await request.text()
        if request.method != "POST" or (
            '"model"' not in said and "generateContent" not in request.path.replace("streamG", "g")
        ):
            return web.json_response({})
        self.requests.append(said)
        name = next(iter(TOOL.findall(json.dumps(json.loads(said).get("tools", "")))), "")
        turn = 0 if name and not self.asked else 1
        self.asked = self.asked or turn == 0
        if request.path.endswith("/messages"):
            return _events(_anthropic(name, turn))
        if request.path.endswith("/responses"):
            return _events(_openai(name, turn))
        return _events(_google(name, turn), named=False)


def _events(events: list[dict[str, Any]], *, named: bool = True) -> web.Response:
    lines = [
        (f"event: {event['type']}\n" if named else "") + f"data: {json.dumps(event)}\n\n" for event in events
    ]
    return web.Response(text="".join(lines), content_type="text/event-stream")


def _anthropic(name: str, turn: int) -> list[dict[str, Any]]:
    usage = {"input_tokens": 1, "output_tokens": 1}
    message = {"id": f"m{turn}", "type": "message", "role": "assistant", "model": "none", "content": []}
    block: dict[str, Any] = {"type": "text", "text": ""}
    delta: dict[str, Any] = {"type": "text_delta", "text": "done"}
    if turn == 0:
        block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": {}}
        delta = {"type": "input_json_delta", "partial_json": "{}"}
    why = "tool_use" if turn == 0 else "end_turn"
    return [
        {"type": "message_start", "message": message | {"stop_reason": None, "usage": usage}},
        {"type": "content_block_start", "index": 0, "content_block": block},
        {"type": "content_block_delta", "index": 0, "delta": delta},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": why, "stop_sequence": None}, "usage": usage},
        {"type": "message_stop"},
    ]


def _openai(name: str, turn: int) -> list[dict[str, Any]]:
    item: dict[str, Any] = {
        "type": "message",
        "id": "i1",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "done"}],
    }
    if turn == 0:
        item = {"type": "function_call", "id": "i0", "call_id": "c0", "name": name, "arguments": "{}"}
        item["namespace"] = "mcp__numbered"
    usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
    return [
        {"type": "response.created", "response": {"id": f"r{turn}"}},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {"id": f"r{turn}", "usage": usage}},
    ]


def _google(name: str, turn: int) -> list[dict[str, Any]]:
    part: dict[str, Any] = {"functionCall": {"name": name, "args": {}}} if turn == 0 else {"text": "done"}
    candidate = {"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}
    return [{"candidates": [candidate], "usageMetadata": {"promptTokenCount": 1, "totalTokenCount": 2}}]


def arrived(body: str) -> dict[str, int]:
    """How many characters of each numbered text stand in a request."""
    found = {}
    for letter, title in TEXTS.items():
        places = [int(number) for number in re.findall(rf"\b{letter}(\d{{6}})\b", body)]
        found[title] = max(places) + WIDTH if places else 0
    return found


async def look(
    client: str, length: int, fillers: int, more: dict[str, str]
) -> tuple[list[str], dict[str, Any], str]:
    """The requests of one run of a client, what it said of itself to the server, and what it printed."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        model = Model()
        async with listening(model.answer) as url:
            note = home / "note.json"
            sizes = ["--length", str(length), "--fillers", str(fillers)]
            entry = {"command": sys.executable, "args": [str(SERVER), *sizes, "--note", str(note)]}
            words, variables = written(client, home, {"numbered": entry}, url)
            if client == "claude":
                words += (
                    ["--dangerously-skip-permissions"] if os.getuid() else ["--allowedTools", "mcp__numbered"]
                )
            elif client == "gemini":
                words = ["-p", "hello", "--approval-mode", "yolo", "--skip-trust"]
                settings = home / ".gemini" / "settings.json"
                chosen = {"security": {"auth": {"selectedType": "gemini-api-key"}}}
                settings.write_text(json.dumps(json.loads(settings.read_text()) | chosen))
                variables |= {"GEMINI_API_KEY": "none", "GOOGLE_GEMINI_BASE_URL": url}
            process = await started(client, words, home, {**variables, **more})
            said = b""
            try:
                said, _ = await asyncio.wait_for(process.communicate(), LONGEST_SECONDS)
            except TimeoutError:
                said = b"(no end)"
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
            about = json.loads(note.read_text("utf-8")) if note.exists() else {}
            return model.requests, about, said.decode(errors="replace")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--client", action="append", choices=["claude", "codex", "gemini"])
    parser.add_argument("--length", type=int, default=20_000)
    parser.add_argument("--fillers", type=int, default=0)
    parser.add_argument("--env", action="append", default=[], help="NAME=VALUE, a variable of the client")
    parser.add_argument("--save", type=Path, help="a folder for the requests")
    options = parser.parse_args()
    for client in options.client or ["claude", "codex", "gemini"]:
        if program(client) is None:
            print(f"{client}: missing; run scripts/interop with CALLMUX_REQUIRE_CLIENTS=1")
            continue
        more = dict(word.partition("=")[::2] for word in options.env)
        requests, about, said = asyncio.run(look(client, options.length, options.fillers, more))
        print(f"{client} calls itself {about.get('clientInfo')} and declares {about.get('capabilities')}")
        for turn, body in enumerate(requests):
            tools = json.loads(body).get("tools")
            print(
                f"{client}, request {turn}: {arrived(body)}, {len(body)} characters, {len(tools or [])} tools"
            )
            if options.save:
                options.save.mkdir(exist_ok=True)
                (options.save / f"{client}-{turn}.json").write_text(body, "utf-8")
        if not requests:
            print(f"{client}: no request came; it said: {said[-2000:]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
