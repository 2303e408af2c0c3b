"""callmux call, parallel, batch and pipeline: what is sent, printed and returned, and what is loaded."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from callmux.cli.main import main
from tests.shell.fake_listener import FakeListener, Reply, fake_listener, result, text_result
from tests.support import SECONDS

MAY_LOAD = {
    *("bridge", "bridge.credentials", "bridge.endpoint", "depth", "errors", "loopback", "text"),
    *("cli", "cli.call", "cli.commands", "cli.conversing", "cli.destination"),
    *("cli.headers", "cli.main", "cli.parsing"),
    *("cli.grammar", "cli.grammar.call", "cli.grammar.shared", "cli.grammar.terms"),
    *("metatools", "metatools.table", "traits", "portions", "protocol"),
    *("protocol.failure_points", "protocol.http_client"),
    *("shell", "shell.conversation", "shell.failure", "shell.message", "shell.outcome"),
    *("shell.payload", "shell.rendering"),
}
MAY_NOT_LOAD = {"asyncio", "msgspec", "aiohttp", "uvicorn", "httptools", "logging", "dataclasses", "inspect"}
MAY_NOT_LOAD |= {
    "argparse",
    "difflib",
    "subprocess",
    "threading",
    "sqlite3",
    "rich",
    "toons",
    "importlib.metadata",
}


def test_they_load_little() -> None:
    """A script starts one for every call."""
    code = "import sys, callmux.cli.main, callmux.cli.call; print(*sys.modules)"
    loaded = set(subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS, text=True).split())
    assert {name[8:] for name in loaded if name.startswith("callmux.")} <= MAY_LOAD
    assert not MAY_NOT_LOAD & loaded


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user without a configuration."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CALLMUX_TOKEN", raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def fake() -> Iterator[FakeListener]:
    with fake_listener() as listener:
        listener.answers(text_result('{"args": 1.10}'))
        yield listener


class Ran:
    """A command line that was run in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *args: str) -> None:
        self.code = main(list(args))
        self.out, self.err = capsys.readouterr()


def sent(fake: FakeListener) -> Any:
    return next(s.message["params"] for s in fake.seen if s.message and s.message["method"] == "tools/call")


@pytest.fixture
def ran(fake: FakeListener, capsys: pytest.CaptureFixture[str]) -> Any:
    return lambda *args: Ran(capsys, *args, "--url", fake.url)


def test_a_call_sends_its_arguments_and_prints_the_result_as_json(fake: FakeListener, ran: Any) -> None:
    done = ran("call", "get_item", '{"id": 5}')
    assert (done.code, done.out, done.err) == (0, '{\n  "args": 1.10\n}\n', "")
    assert sent(fake) == {"name": "get_item", "arguments": {"id": 5}}
    assert fake.seen[0].headers["x-callmux-client"] == "cli"
    assert fake.seen[0].headers["x-callmux-cwd"] == os.getcwd()


def test_flags_may_stand_before_the_tool(fake: FakeListener, capsys: pytest.CaptureFixture[str]) -> None:
    """Weak spot C12 of callmux (npm)."""
    assert Ran(capsys, "call", "--url", fake.url, "get_item").code == 0
    assert sent(fake) == {"name": "get_item", "arguments": {}}


def test_arguments_come_from_a_file_or_from_stdin(
    fake: FakeListener, ran: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.json").write_text('{"from": "file"}')
    assert ran("call", "t", "--file", "a.json").code == 0
    assert sent(fake)["arguments"] == {"from": "file"}
    for words in (["-"], ["--file", "-"]):
        fake.seen.clear()
        stdin = io.TextIOWrapper(io.BytesIO('{"from": "ä"}'.encode()))
        monkeypatch.setattr(sys, "stdin", stdin)
        assert ran("call", "t", *words).code == 0
        assert sent(fake)["arguments"] == {"from": "ä"}


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["call"], "Error: TOOL is missing. Usage: callmux call TOOL"),
        (["call", "t", "{}", "x"], 'Error: Unknown argument "x"'),
        (["call", "t", "{nope"], "Error: Invalid JSON payload: "),
        (["call", "t", "[1]"], "Error: payload must be a JSON object"),
        (["call", "t", "--file", "none.json"], 'Error: --file "none.json" cannot be read: No such file'),
        (["call", "t", "--file", "latin.json"], "Error: --file latin.json:1:3: byte 2 is not UTF-8 text"),
        (["call", "t", "{}", "--file", "a.json"], "not both"),
        (["call", "t", "--bogus"], 'Error: Unknown call option "--bogus"'),
        (["call", "t", "--fil", "x"], '(did you mean "--file"?)'),
        (["call", "t", "--cwd"], "Error: missing value for --cwd"),
        (["call", "t", "--raw", "--full"], "--raw and --full exclude each other"),
        (["call", "t", "--raw", "--json"], "--raw and --output-format exclude each other"),
        (["parallel"], "there is nothing to call"),
        (["parallel", "a", "--file", "a.json"], "not both"),
        (["batch", "a {}", "b {}"], "a batch calls one tool"),
        (["pipeline", " {}"], "Error: Invalid call"),
        (["parallel", "a {x"], 'Error: Invalid JSON args for tool "a"'),
    ],
)
def test_a_command_line_that_cannot_be_used_is_exit_code_2_and_sends_nothing(
    args: list[str], says: str, fake: FakeListener, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "latin.json").write_bytes(b'{"\xe4": 1}')
    done = Ran(capsys, *args)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert fake.seen == []


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("parallel", {"calls": [{"tool": "a", "arguments": {"x": "y z"}}, {"tool": "a", "arguments": {}}]}),
        ("pipeline", {"steps": [{"tool": "a", "arguments": {"x": "y z"}}, {"tool": "a", "arguments": {}}]}),
        ("batch", {"tool": "a", "items": [{"arguments": {"x": "y z"}}, {"arguments": {}}]}),
    ],
)
def test_calls_of_several_go_to_the_meta_tool(
    verb: str, arguments: Any, fake: FakeListener, ran: Any
) -> None:
    assert ran(verb, 'a {"x": "y z"}', "a").code == 0
    arguments["outputFormat"] = "json"
    assert sent(fake) == {"name": f"callmux_{verb}", "arguments": arguments}
    fake.seen.clear()
    Path("whole.json").write_text(json.dumps(arguments))
    assert ran(verb, "--file", "whole.json").code == 0
    assert sent(fake)["arguments"] == arguments


def test_calls_of_several_that_failed_set_the_exit_code(fake: FakeListener, ran: Any) -> None:
    fake.answers(text_result('{"status": "partial", "failed": 1, "failedIndexes": [0]}'))
    assert ran("parallel", "a").code == 1
    assert ran("call", "callmux_batch", "{}").code == 1
    assert ran("call", "callmux_recipe_run", "{}").code == 1
    fake.answers(text_result('{"status": "failed", "failedStep": 0, "steps": [{"step": 0, "error": "no"}]}'))
    assert ran("pipeline", "a").code == 2


PLAIN = {
    "content": [
        {"type": "text", "text": "partial: 1 succeeded, 1 failed"},
        {"type": "text", "text": "\n=== [0] a: 2 blocks: 5 bytes, image\n"},
        {"type": "text", "text": "words"},
        {"type": "image", "data": "AAAA", "mimeType": "image/png"},
        {"type": "text", "text": "=== [1] b: FAILED, 3 bytes\n"},
        {"type": "text", "text": "no\n"},
    ],
    "_meta": {"callmux/outcome": {"status": "partial", "failed": 1, "failedIndexes": [1]}},
}


@pytest.mark.parametrize("wanted", ["plain", "shortest"])
def test_a_plain_answer_is_asked_for_and_printed_as_it_came(
    wanted: str, fake: FakeListener, ran: Any
) -> None:
    fake.answers(PLAIN)
    done = ran("parallel", "a", "b", "--output-format", wanted)
    assert sent(fake)["arguments"]["outputFormat"] == wanted
    assert done.code == 1
    assert done.out == (
        "partial: 1 succeeded, 1 failed\n=== [0] a: 2 blocks: 5 bytes, image\nwords\n"
        "[image image/png 3 bytes]\n=== [1] b: FAILED, 3 bytes\nno\n"
    )


def test_a_pipeline_whose_step_could_not_be_made_says_so_plainly(fake: FakeListener, ran: Any) -> None:
    outcome = {"status": "failed", "failedStep": 1, "notMade": True}
    fake.answers(text_result("failed", _meta={"callmux/outcome": outcome}))
    assert ran("pipeline", "a", "--output-format", "plain").code == 2
    fake.answers(text_result("failed", _meta={"callmux/outcome": {"status": "failed", "failedStep": 1}}))
    assert ran("pipeline", "a", "--output-format", "plain").code == 1


def test_a_single_result_is_plain_as_it_is(fake: FakeListener, ran: Any) -> None:
    fake.answers({"content": [{"type": "text", "text": 'say "hi"'}, {"type": "image", "data": "AAAA"}]})
    for wanted in ("plain", "shortest"):
        assert ran("call", "t", "--output-format", wanted).out == 'say "hi"\n[image 3 bytes]\n'
    assert sent(fake)["arguments"] == {}


@pytest.mark.parametrize("how", [[], ["--field", "status"], ["--full"], ["--raw"], ["--json"]])
def test_json_is_asked_for_wherever_an_answer_is_looked_into(
    how: list[str], fake: FakeListener, ran: Any
) -> None:
    """The default of the listener may be a form that no script can read."""
    fake.answers(text_result('{"status": "completed"}'))
    assert ran("call", "callmux_status", *how).code == 0
    assert sent(fake)["arguments"] == {"outputFormat": "json"}
    fake.seen.clear()
    given = '{"outputFormat": "toon"}'
    assert ran("call", "callmux_status", given, *how).code == 0
    assert sent(fake)["arguments"] == {"outputFormat": "toon"}


def test_what_has_no_format_is_asked_for_none(fake: FakeListener, ran: Any) -> None:
    assert ran("call", "callmux_cache_clear").code == 0
    assert sent(fake)["arguments"] == {}


def test_what_a_failed_tool_says_is_on_stdout_for_scripts(fake: FakeListener, ran: Any) -> None:
    fake.answers(text_result('{"error": {"code": "x"}}', isError=True))
    done = ran("call", "t")
    assert (done.code, json.loads(done.out), done.err) == (1, {"error": {"code": "x"}}, "")


@pytest.mark.parametrize(
    ("result", "out"),
    [
        (text_result("plain"), '"plain"\n'),
        ({"content": []}, "null\n"),
        (
            {"content": [{"type": "image", "data": "AAAA"}]},
            '[\n  {\n    "type": "image",\n    "data": "AAAA"\n  }\n]\n',
        ),
        (text_result("é \ud83d"), '"\\u00e9 \\ud83d"\n'),
    ],
)
def test_in_a_pipe_everything_is_json(result: Any, out: str, fake: FakeListener, ran: Any) -> None:
    fake.answers(result)
    assert ran("call", "t").out == out


def test_text_can_be_had_as_it_stands(fake: FakeListener, ran: Any) -> None:
    """Weak spot C12 of callmux (npm)."""
    fake.answers(text_result("plain\x1b text", isError=False))
    assert ran("call", "t", "--raw").out == "plain\x1b text\n"
    fake.answers(text_result("it failed", isError=True))
    done = ran("call", "t", "--raw")
    assert (done.code, done.out, done.err) == (1, "", "it failed\n")


def test_one_field_can_be_had(fake: FakeListener, ran: Any) -> None:
    """Weak spot C12 of callmux (npm)."""
    fake.answers(text_result("x", structuredContent={"a": [{"b": "c"}]}))
    assert ran("call", "t", "--field", "a[0].b").out == '"c"\n'
    assert ran("call", "t", "--field", "a[0].b", "--raw").out == "c\n"
    assert ran("call", "t", "--full", "--field", "content[0].text").out == '"x"\n'
    done = ran("call", "t", "--field", "nope")
    assert (done.code, done.out) == (2, "")
    assert 'Error: the result has no nope: "nope" is not in an object with "a"' in done.err


def test_the_whole_result_can_be_had(fake: FakeListener, ran: Any) -> None:
    whole = {"content": [{"type": "image", "data": "AAAA"}], "_meta": {"a": "b"}, "isError": True}
    fake.answers(whole)
    done = ran("call", "t", "--full")
    assert (done.code, json.loads(done.out)) == (1, whole)


def test_a_format_can_be_asked_for(fake: FakeListener, ran: Any) -> None:
    fake.answers(text_result('{"rows": [{"a": 1, "b": 2}, {"a": 3, "b": 4}]}'))
    assert ran("call", "t", "--output-format", "toon").out == "rows[2]{a,b}:\n  1,2\n  3,4\n"


def test_on_a_terminal_people_get_text(
    fake: FakeListener, ran: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fake.answers(text_result("plain\x1b[2J"))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    assert ran("call", "t").out == "plain�[2J\n"
    assert ran("call", "t", "--json").out == '"plain\\u001b[2J"\n'
    fake.answers(text_result('{"error": {"code": "x", "message": "no such item"}}', isError=True))
    done = ran("call", "t")
    assert (done.code, done.out, done.err) == (1, "", "no such item (x)\n")


def test_what_is_called_and_with_whose_token_is_told_on_request(
    fake: FakeListener, ran: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weak spot C9 of callmux (npm)."""
    monkeypatch.setenv("CALLMUX_TOKEN", "hunter2")
    done = ran("call", "t", "--verbose", "--token", "other")
    assert done.err == (
        "[callmux] CALLMUX_TOKEN is set and comes before --token and --token-file\n"
        f"[callmux] tools/call t via {fake.url}/mcp (sent the token of CALLMUX_TOKEN)\n"
    )
    assert fake.seen[0].headers["authorization"] == "Bearer hunter2"


def test_a_refused_token_is_named_by_its_source_and_never_shown(fake: FakeListener, ran: Any) -> None:
    """Weak spot C9 of callmux (npm)."""
    fake.replies["initialize"] = Reply(b'{"error": {"message": "Invalid bearer token"}}', 401)
    done = ran("call", "t", "--token", "hunter2")
    assert done.code == 2
    assert "HTTP 401: Invalid bearer token. callmux sent the token of --token: give one" in done.err
    assert "hunter2" not in done.err


def test_a_reader_that_leaves_is_no_error(fake: FakeListener, tmp_path: Path) -> None:
    fake.replies["tools/call"] = lambda message: Reply(result(text_result("x" * 1_000_000), message["id"]))
    command = [sys.executable, "-m", "callmux", "call", "t", "--raw", "--url", fake.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(20) == 0
