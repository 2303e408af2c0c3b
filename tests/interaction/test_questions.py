"""What servers ask their client: sampling, elicitation, roots; and how questions end."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support import SECONDS

from .bench import Client, bench, interaction, over_carriers, over_revisions
from .raw_server import Call, Json, Peer, RawServer, Refusal, text

CAPABILITIES: Json = {
    "sampling": {"tools": {}, "context": {}},
    "elicitation": {"form": {}, "url": {}},
    "roots": {"listChanged": True},
}

SAMPLING = (
    b'{"messages":[{"role":"user","content":{"type":"text","text":"\\u0041 \xc3\xa4"}},'
    b'{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"w","input":{"n":1.10}}]},'
    b'{"role":"user","content":[{"type":"tool_result","toolUseId":"t1","content":[]}]}],"maxTokens":1e2,'
    b'"modelPreferences":{"hints":[{"name":"x"}],"costPriority":0.30},"systemPrompt":"s",'
    b'"includeContext":"none","temperature":0.50,"tools":[{"name":"w","inputSchema":{"type":"object"}}],'
    b'"toolChoice":{"mode":"required"},"metadata":{"a":1.0},"_meta":{"m":2.0},"unknown":[]}'
)
SAMPLED = (
    b'{"role":"assistant","content":[{"type":"tool_use","id":"t2","name":"w","input":{"n":2.20}},'
    b'{"type":"text","text":"\\ud83d\\ude00"}],"model":"m","stopReason":"toolUse","_meta":{"q":1.0},"z":null}'
)
FORM = (
    b'{"mode":"form","message":"Who?","requestedSchema":{"type":"object","properties":{"c":{"type":"string",'
    b'"oneOf":[{"const":"r","title":"Red"}],"default":"r"},"n":{"type":"number","minimum":1.0}},'
    b'"required":["c"]},"_meta":{"m":1.50}}'
)
FILLED = b'{"action":"accept","content":{"c":"r","n":1.0},"_meta":{"m":2.50}}'
ROOTS = b'{"roots":[{"uri":"file:///a%20b","name":"a","_meta":{"n":1.0}}],"_meta":{"x":1.50}}'

QUESTIONS = {
    "sampling/createMessage": (SAMPLING, SAMPLED),
    "elicitation/create": (FORM, FILLED),
    "roots/list": (None, ROOTS),
    "x-vendor/ask": (b'{"deep":{"n":1.0}}', b'[1.50,"not even an object"]'),
}


def asking(method: str, params: bytes | None, version: str | None = None) -> RawServer:
    """A server whose tool asks something and says what it was answered."""

    async def ask(call: Call) -> Json:
        answer = await call.ask(method, params)
        return text(json.dumps(answer.get("error")))

    return RawServer(version=version).has(a=ask)


def put(client: Client, method: str) -> bytes:
    """The bytes of the params of the question that the client got."""
    lines = [line for line in client.lines if f'"{method}"'.encode() in line]
    assert len(lines) == 1
    return lines[0].partition(b'"params":')[2].removesuffix(b"}\n")


def answered(peer: Peer, member: str = "result") -> bytes:
    """The bytes of the answer that the server got."""
    (line,) = peer.answers.values()
    return line.strip().partition(f'"{member}":'.encode())[2].removesuffix(b"}")


def ask_test(method: str):  # type: ignore[no-untyped-def]
    params, answer = QUESTIONS[method]

    async def test(carrier: str, revision: str, tmp_path: Path) -> None:
        server = asking(method, params, revision)
        async with bench(server, carrier=carrier, tmp_path=tmp_path) as b:
            client = await b.greeted(revision, CAPABILITIES)
            client.answers[method] = answer
            assert await client.call("a") == text("null")
            assert put(client, method) == (params or b"")
            assert answered(server.peer) == answer

    return test


@over_carriers
@over_revisions
@interaction("sampling.create", "unknown.members")
async def test_sampling_reaches_the_client_and_its_answer_the_server(
    carrier: str, revision: str, tmp_path: Path
) -> None:
    await ask_test("sampling/createMessage")(carrier, revision, tmp_path)


@over_carriers
@over_revisions
@interaction("elicitation.form", "unknown.members")
async def test_a_form_reaches_the_client_and_its_answer_the_server(
    carrier: str, revision: str, tmp_path: Path
) -> None:
    await ask_test("elicitation/create")(carrier, revision, tmp_path)


@over_carriers
@over_revisions
@interaction("roots.list", "unknown.members")
async def test_roots_reach_the_server(carrier: str, revision: str, tmp_path: Path) -> None:
    await ask_test("roots/list")(carrier, revision, tmp_path)


@over_carriers
@over_revisions
@interaction("unknown.server-request")
async def test_a_question_that_nobody_knows_passes(carrier: str, revision: str, tmp_path: Path) -> None:
    await ask_test("x-vendor/ask")(carrier, revision, tmp_path)


@over_carriers
@pytest.mark.parametrize("method", QUESTIONS)
@interaction("sampling.refused", "errors.pass")
async def test_a_refusal_reaches_the_server_as_it_came(carrier: str, method: str, tmp_path: Path) -> None:
    error = b'{"code":-1,"message":"User rejected","data":{"why":[1.5]}}'
    server = asking(method, QUESTIONS[method][0])
    async with bench(server, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(capabilities=CAPABILITIES)
        pending = client.send("tools/call", {"name": "a"})
        (question,) = await client.until(lambda c: c.asked)
        client.reply(question["id"], error=error)
        assert (await pending)["result"] == text(json.dumps(json.loads(error)))
        assert answered(server.peer, "error") == error


@over_carriers
@interaction("elicitation.url")
async def test_a_url_is_elicited_and_its_end_is_told(carrier: str, tmp_path: Path) -> None:
    params = (
        b'{"mode":"url","elicitationId":"e1","url":"https://x.example/?a=1","message":"Go","_meta":{"n":1.0}}'
    )

    async def ask(call: Call) -> Json:
        answer = await call.ask("elicitation/create", params)
        call.tell("notifications/elicitation/complete", b'{"elicitationId":"e1","unknown":1.0}')
        return text(answer["result"]["action"])

    server = RawServer(version="2025-11-25").has(a=ask)
    async with bench(server, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(capabilities=CAPABILITIES)
        client.answers["elicitation/create"] = {"action": "accept"}
        assert await client.call("a") == text("accept")
        assert put(client, "elicitation/create") == params
        await client.told("notifications/elicitation/complete")
        assert put(client, "notifications/elicitation/complete") == b'{"elicitationId":"e1","unknown":1.0}'


@over_carriers
@interaction("elicitation.url")
async def test_an_elicitation_may_end_long_after_its_call(carrier: str, tmp_path: Path) -> None:
    async def ask(call: Call) -> Json:
        return text((await call.ask("elicitation/create", {"mode": "url"}))["result"]["action"])

    server = RawServer().has(a=ask)
    async with bench(server, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(capabilities=CAPABILITIES)
        client.answers["elicitation/create"] = {"action": "accept"}
        await client.call("a")
        server.peer.tell("notifications/elicitation/complete", {"elicitationId": "e1"})
        assert await client.told("notifications/elicitation/complete") == {"elicitationId": "e1"}


@over_carriers
@interaction("elicitation.required")
async def test_a_call_that_needs_a_url_first_says_so_in_json_rpc(carrier: str, tmp_path: Path) -> None:
    error = {
        "code": -32042,
        "message": "Authorize first",
        "data": {"elicitations": [{"mode": "url", "elicitationId": "e", "url": "https://x", "message": "m"}]},
    }

    def refuse(call: Call) -> Json:
        raise Refusal(error)

    server = RawServer().has(a=refuse)
    async with bench(server, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(capabilities=CAPABILITIES)
        assert await client.refused("tools/call", {"name": "a"}) == error


@over_carriers
@over_revisions
@interaction("roots.list-changed")
async def test_every_server_is_told_that_the_roots_have_changed(
    carrier: str, revision: str, tmp_path: Path
) -> None:
    one, two = RawServer("one", version=revision), RawServer("two", version=revision)
    async with bench(one, two, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(revision, CAPABILITIES)
        client.notify("notifications/roots/list_changed", b'{"_meta":{"n":1.50}}')
        for server in (one, two):
            assert await server.peer.told("notifications/roots/list_changed") == {"_meta": {"n": 1.5}}
        client.notify("notifications/roots/list_changed")
        assert await one.peer.told("notifications/roots/list_changed", 2) is None


@over_carriers
@interaction("cancel.server")
async def test_a_question_that_is_withdrawn_is_withdrawn_at_the_client(carrier: str, tmp_path: Path) -> None:
    seen = asyncio.Event()

    async def ask(call: Call) -> Json:
        question = asyncio.ensure_future(call.ask("sampling/createMessage", SAMPLING, id=99))
        await seen.wait()
        call.tell("notifications/cancelled", {"requestId": 99, "reason": "enough"})
        question.cancel()
        return text("gave up")

    server = RawServer().has(a=ask)
    async with bench(server, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(capabilities=CAPABILITIES)
        pending = client.send("tools/call", {"name": "a"})
        (question,) = await client.until(lambda c: c.asked)
        seen.set()
        assert (await pending)["result"] == text("gave up")
        told = await client.told("notifications/cancelled")
        assert told == {"requestId": question["id"], "reason": "enough"}
        client.reply(question["id"], result=SAMPLED)
        assert await client.request("ping") == {}
        assert server.peer.answers == {}


@interaction("cancel.server", "cancel.client")
async def test_what_is_withdrawn_before_it_was_looked_at_leaves_nothing_behind() -> None:
    """A request and its cancellation in one breath, on both sides, again and again under one id."""
    server = RawServer().has(a=lambda call: None)
    async with bench(server) as b:
        client = await b.greeted(capabilities=CAPABILITIES)
        for _ in range(3):
            client.send("tools/call", {"name": "a"}, id="same")
            client.notify("notifications/cancelled", {"requestId": "same"})
            server.peer.write(b'{"jsonrpc":"2.0","id":9,"method":"roots/list"}')
            server.peer.tell("notifications/cancelled", {"requestId": 9})
        async with asyncio.timeout(SECONDS):
            await client.session.quiet.wait()
        assert "same" not in client.raw
        client.answers["roots/list"] = ROOTS
        assert "result" in await server.peer.ask("roots/list", id=9)


@over_carriers
@over_revisions
@interaction("progress.client")
async def test_progress_of_a_client_reaches_the_server(carrier: str, revision: str, tmp_path: Path) -> None:
    server = asking("sampling/createMessage", b'{"maxTokens":1,"_meta":{"progressToken":"mine","x":1.50}}')
    server.version = revision
    async with bench(server, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(revision, CAPABILITIES)
        pending = client.send("tools/call", {"name": "a"})
        (question,) = await client.until(lambda c: c.asked)
        token = question["params"]["_meta"]["progressToken"]
        assert question["params"]["_meta"]["x"] == 1.5
        client.notify(
            "notifications/progress",
            b'{"progressToken":%b,"progress":0.50,"total":1,"message":"half","unknown":1.0}'
            % json.dumps(token).encode(),
        )
        await server.peer.told("notifications/progress")
        (line,) = [line for line in server.peer.lines if b"notifications/progress" in line]
        assert b'{"progressToken":"mine","progress":0.50,"total":1,"message":"half","unknown":1.0}' in line
        client.reply(question["id"], result=SAMPLED)
        await pending
        client.notify("notifications/progress", {"progressToken": token, "progress": 1})
        client.notify("notifications/roots/list_changed")
        await server.peer.told("notifications/roots/list_changed")
        assert len([note for note in server.peer.notes if note[0] == "notifications/progress"]) == 1


@over_carriers
@interaction("questions.parallel")
async def test_a_call_inside_parallel_may_ask(carrier: str, tmp_path: Path) -> None:
    async def ask(call: Call) -> Json:
        n = call.params["arguments"]["n"]
        answer = await call.ask("elicitation/create", {"message": str(n)})
        return text(f"{n}: {answer['result']['content']['n']}")

    server = RawServer().has(a=ask)
    async with bench(server, carrier=carrier, tmp_path=tmp_path) as b:
        client = await b.greeted(capabilities=CAPABILITIES)
        client.answers["elicitation/create"] = lambda question: {
            "action": "accept",
            "content": {"n": int(question["params"]["message"]) * 10},
        }
        calls = [{"tool": "a", "arguments": {"n": n}} for n in range(1, 4)]
        result = await client.call("callmux_parallel", {"calls": calls})
        shown = json.dumps(result["structuredContent"])
        assert all(f"{n}: {n}0" in shown for n in range(1, 4))


@interaction("cancel.client", "cancel.server")
async def test_a_call_given_up_while_it_asks_ends_on_both_sides() -> None:
    server = asking("sampling/createMessage", SAMPLING)
    async with bench(server) as b:
        client = await b.greeted(capabilities=CAPABILITIES)
        client.send("tools/call", {"name": "a"}, id="mine")
        (question,) = await client.until(lambda c: c.asked)
        client.notify("notifications/cancelled", {"requestId": "mine"})
        call = server.peer.calls["tools/call"][0]
        await call.cancelled.wait()
        server.peer.tell("notifications/cancelled", {"requestId": "q1"})
        assert (await client.told("notifications/cancelled"))["requestId"] == question["id"]
        assert "mine" not in client.raw


@interaction("initialize.capabilities-up")
async def test_a_question_about_something_not_declared_is_the_clients_to_refuse() -> None:
    """callmux never refuses in its name: asking for what was not declared is the server's mistake."""
    server = asking("roots/list", None)
    async with bench(server) as b:
        client = await b.greeted(capabilities={})
        pending = client.send("tools/call", {"name": "a"})
        (question,) = await client.until(lambda c: c.asked)
        client.reply(question["id"], error={"code": -32601, "message": "Method not found"})
        assert (await pending)["result"] == text(json.dumps({"code": -32601, "message": "Method not found"}))


ELICITATIONS: Json = {
    "elicitations": [{"mode": "url", "elicitationId": "e", "url": "https://x", "message": "Go"}]
}
RECIPE: Json = {"r": {"mode": "parallel", "calls": [{"tool": "a"}]}}
FAN_OUTS: dict[str, tuple[str, Json]] = {
    "parallel": ("callmux_parallel", {"calls": [{"tool": "a"}, {"tool": "b"}]}),
    "batch": ("callmux_batch", {"tool": "a", "items": [{"arguments": {}}]}),
    "pipeline": ("callmux_pipeline", {"steps": [{"tool": "b"}, {"tool": "a"}]}),
    "recipe": ("callmux_recipe_run", {"recipe": "r"}),
}


def asking_to_sign_in() -> RawServer:
    def refuse(call: Call) -> Json:
        raise Refusal({"code": -32042, "message": "sign in first", "data": ELICITATIONS})

    return RawServer().has(a=refuse, b=text("b"))


@pytest.mark.parametrize("config", [{}, {"metaOnly": True}], ids=["usual", "meta-only"])
@pytest.mark.parametrize(
    "arguments", [{"tool": "a"}, {"tool": "a", "server": "raw"}, {"tool": "a", "arguments": {}, "x": 1}]
)
@interaction("elicitation.required")
async def test_a_url_to_visit_first_reaches_the_client_through_callmux_call(
    arguments: Json, config: Json
) -> None:
    """As the error it is, or the client does not open it."""
    async with bench(asking_to_sign_in(), **config) as b:
        client = await b.greeted(capabilities={"elicitation": {"url": {}}})
        error = await client.refused("tools/call", {"name": "callmux_call", "arguments": arguments})
        assert error == {"code": -32042, "message": "sign in first", "data": ELICITATIONS}


@pytest.mark.parametrize("way", FAN_OUTS)
@interaction("elicitation.required")
async def test_a_url_to_visit_first_is_told_for_the_call_of_several_that_needs_it(way: str) -> None:
    """One of them cannot refuse the others; its error says what to do."""
    name, arguments = FAN_OUTS[way]
    async with bench(asking_to_sign_in(), recipes=RECIPE) as b:
        client = await b.greeted(capabilities={"elicitation": {"url": {}}})
        answer = await client.call(name, arguments)
        (details,) = details_in(answer["structuredContent"])
        assert (details["jsonRpcCode"], details["jsonRpcData"]) == (-32042, ELICITATIONS)


def details_in(value: Any) -> list[Json]:
    """Every `details` of an error of a server, at any depth."""
    if isinstance(value, list):
        return [found for part in value for found in details_in(part)]
    if not isinstance(value, dict):
        return []
    own = [value] if "jsonRpcCode" in value else []
    return own + [found for part in value.values() for found in details_in(part)]


@interaction("sessions.questions")
async def test_each_tool_that_asks_asks_whoever_called_it() -> None:
    """What two sessions share becomes the own of the first that is asked there; the other one gets another
    connection, though the tool that it calls has never asked before."""

    async def asks(call: Call) -> Json:
        answer = await call.ask("elicitation/create", {"message": call.params["arguments"]["who"]})
        return text(json.dumps(answer["result"]["content"]))

    server = RawServer("raw").has(one=asks, two=asks, three=text("-"))
    able: Json = {"elicitation": {}}
    async with bench(server, single=False) as b:
        first = await b.greeted(capabilities={**able, "sampling": {}})
        await first.call("three")
        ann, bob = await b.greeted(capabilities=able), await b.greeted(capabilities=able)
        for client, name in ((ann, "ann"), (bob, "bob")):
            client.answers["elicitation/create"] = lambda m, name=name: {
                "action": "accept",
                "content": {"said": f"{m['params']['message']} by {name}"},
            }
        assert await ann.call("three") == text("-")
        for client, name, tool in (
            (ann, "ann", "one"),
            (bob, "bob", "two"),
            (bob, "bob", "one"),
            (ann, "ann", "two"),
        ):
            result = await client.call(tool, {"who": name})
            assert result == text(json.dumps({"said": f"{name} by {name}"})), (tool, name)
        assert [len(client.asked) for client in (first, ann, bob)] == [0, 2, 2]


@interaction("sessions.questions")
@pytest.mark.parametrize("early", [False, True])
async def test_a_session_without_calls_keeps_no_question_from_the_only_one_that_has_some(early: bool) -> None:
    """The connection was opened for the first session, which has sent nothing on it: it becomes the own of
    the second one, and whatever the first one calls afterwards runs elsewhere.

    Args:
        early: Whether the first session calls something while the second one is being asked.
    """
    able: Json = {"elicitation": {}}
    asked = asyncio.Event()

    async def asks(call: Call) -> Json:
        answer = await call.ask("elicitation/create", {"message": call.params["arguments"]["who"]})
        return text(json.dumps(answer.get("result", answer.get("error"))))

    server = RawServer("raw").has(one=asks, three=text("-"))
    async with bench(server, single=False) as b:
        ann, bob = await b.greeted(capabilities=able), await b.greeted(capabilities=able)

        async def answers(message: Json) -> Json:
            asked.set()
            if early:
                assert await ann.call("three") == text("-")
            return {"action": "accept", "content": {"by": "bob", "to": message["params"]["message"]}}

        bob.answers["elicitation/create"] = answers
        ann.answers["elicitation/create"] = {"action": "accept", "content": {"by": "ann"}}
        given = await bob.call("one", {"who": "bob"})
        assert given == text(json.dumps({"action": "accept", "content": {"by": "bob", "to": "bob"}}))
        assert asked.is_set()
        assert await ann.call("one", {"who": "ann"}) == text(
            json.dumps({"action": "accept", "content": {"by": "ann"}})
        )
        assert [len(client.asked) for client in (ann, bob)] == [1, 1]


@interaction("sessions.questions", "questions.parallel")
@pytest.mark.parametrize("end", ["cancelled", "unanswered"])
async def test_a_question_goes_on_with_another_request_where_the_first_one_asked_is_over(end: str) -> None:
    """Over a pipe nothing says which of two requests it belongs to: the later one is asked first.

    Args:
        end: How that one ends: it is cancelled, or its client comes again without an answer.
    """
    begun, go, over = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def asks(call: Call) -> Json:
        begun.set()
        await go.wait()
        answer = await call.ask("elicitation/create", {"message": "who?", "requestedSchema": {}})
        return text(json.dumps(answer.get("result", answer.get("error"))))

    async def waits(call: Call) -> Json:
        go.set()
        await over.wait()
        return text("over")

    about = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
    }
    server = RawServer("raw").has(one=asks, two=waits)
    async with bench(server) as b:
        client = b.client()
        first = client.send("tools/call", {"name": "one", "_meta": about}, id="first")
        await begun.wait()
        later = await client.send("tools/call", {"name": "two", "_meta": about}, id="later")
        again = {"name": "two", "_meta": about, "requestState": later["result"]["requestState"]}
        if end == "unanswered":
            over.set()
            await server.peer.asked("tools/call", 2)
        client.send("tools/call", again, id="again")
        if end == "cancelled":
            while not any(one.id == "again" and one.job is not None for one in client.session.requests):
                await asyncio.sleep(0)
            client.notify("notifications/cancelled", {"requestId": "again"})
        shown = (await first)["result"]
        ((key, question),) = shown["inputRequests"].items()
        assert question["params"]["message"] == "who?"
        said = {"action": "accept", "content": {"by": "first"}}
        answered = {"inputResponses": {key: said}, "requestState": shown["requestState"]}
        result = await client.request("tools/call", {"name": "one", "_meta": about, **answered})
        assert json.loads(result["content"][0]["text"]) == said
