// One call of a client, and the calls to servers that it made.
import { useAsked } from "../asked";
import { isError, outcome, targetsOf } from "../facts";
import { bytes, clock, count, ms } from "../format";
import type { CallTree, Event } from "../model";
import { Badge, Card, Dot, Empty, Facts } from "../parts/pieces";
import type { View } from "../page";
import { link } from "../route";
import { useStore } from "../store";

export function Call({ route }: View) {
  const { events } = useStore();
  const tree = useAsked<CallTree>(route.part ? "call" : null, { id: route.part });
  const event = events.findLast((one) => one.requestId === route.part && (one.type === "tool_call" || one.type === "tool_call_lifecycle"));
  const http = events.findLast((one) => one.requestId === route.part && one.type === "http_request");
  const call = tree.data;
  if (!route.part) {
    return (
      <Empty title="Which call?">
        Calls are listed under <a href={link("activity", "", { kind: "tool_call" })}>Activity</a>.
      </Empty>
    );
  }
  if (!call?.requestId && !event) {
    if (tree.waits) return <p class="waits">Asking …</p>;
    return (
      <Card>
        <Empty title="Nothing is kept of this call any more.">
          {tree.error?.status && tree.error.status !== 404 ? tree.error.message : "Only the latest calls are kept in memory."} Older ones are under <a href={link("history")}>History</a>.
        </Empty>
      </Card>
    );
  }
  const failed = call?.ok === false || (event ? isError(event) : false);
  const children = call?.children?.length ? call.children : single(event);
  const tool = call?.tool ?? event?.tool ?? "";
  const session = call?.sessionId ?? event?.sessionId;
  return (
    <>
      <div class="actions left">
        <Dot tone={failed ? "bad" : "good"}>{failed ? String(call?.status ?? event?.status ?? "failed").replaceAll("_", " ") : "ok"}</Dot>
        <a href={link("tools", tool)}>{tool}</a>
        {call?.cacheHit ?? event?.cacheHit ? <Badge>from the cache</Badge> : null}
      </div>
      {failed ? (
        <div class="trouble">
          <strong>{call?.error ?? event?.error ?? (event ? outcome(event) : "It failed.")}</strong>
        </div>
      ) : null}
      <Card title="Request">
        <Facts
          rows={[
            ["Ended", clock(call?.at ?? event?.time)],
            ["Took", ms(call?.durationMs ?? event?.durationMs)],
            ["Client", call?.client ?? event?.client],
            ["Who", call?.principal ?? event?.principal],
            ["Session", session ? <a href={link("sessions", session)}>{session}</a> : null],
            ["Servers and tools", event ? targetsOf(event) : (call?.targets ?? []).map((one) => `${one.server}/${one.tool}`).join(", ")],
            ["Arguments", bytes(call?.bytesIn ?? event?.bytesIn)],
            ["Answer", bytes(call?.bytesOut ?? event?.bytesOut)],
            ["HTTP", http ? `${http.method} ${http.path}, status ${http.status}, ${ms(http.durationMs)}` : null],
            ["Request id", <code>{route.part}</code>],
          ]}
        />
      </Card>
      <Card title="Calls to servers" more={children.length ? <span class="dim">{count(children.length)}</span> : null}>
        {children.length ? <Timeline children={children} whole={call?.durationMs ?? 0} /> : <Empty title="None is kept.">{event?.downstreamTargets?.length ? `It went to ${targetsOf(event)}.` : "It made no call to a server."}</Empty>}
      </Card>
    </>
  );
}

/** The one call of a request that made one: its event says all. */
function single(event: Event | undefined): NonNullable<CallTree["children"]> {
  if (!event?.server || !event.targetTool) return [];
  const child = { server: event.server, tool: event.targetTool, offsetMs: 0, source: event.cacheHit ? "cache" : "server" };
  return [{ ...child, ...(event.durationMs === undefined ? {} : { durationMs: event.durationMs }), status: event.status === "ok" ? "ok" : String(event.status ?? ""), ...(event.error ? { error: event.error } : {}) }];
}

function Timeline({ children, whole }: { children: NonNullable<CallTree["children"]>; whole: number }) {
  const span = Math.max(1, whole, ...children.map((one) => (one.offsetMs ?? 0) + (one.durationMs ?? 0)));
  return (
    <ol class="timeline">
      {children.map((one, n) => {
        const bad = one.status !== undefined && one.status !== "ok";
        const begin = (100 * (one.offsetMs ?? 0)) / span;
        const width = Math.max(0.6, (100 * (one.durationMs ?? 0)) / span);
        return (
          <li key={n} class={bad ? "bad" : undefined}>
            <span class="name">
              <a href={link("tools", `${one.server}/${one.tool}`)}>
                {one.server}/{one.tool}
              </a>
              {one.source && one.source !== "server" ? <Badge>{one.source}</Badge> : null}
              {one.waitedMs ? <span class="dim">waited {ms(one.waitedMs)}</span> : null}
              {one.retries ? <Badge tone="warn">sent {one.retries + 1} times</Badge> : null}
            </span>
            <span class="track" aria-hidden="true">
              <i style={{ left: `${Math.min(99, begin)}%`, width: `${Math.min(width, 100 - Math.min(99, begin))}%` }} />
            </span>
            <span class="took">{ms(one.durationMs)}</span>
            {bad ? (
              <span class="why-not">
                {one.error ?? one.status}
                {one.nextStep ? <span class="dim"> Next: {one.nextStep}</span> : null}
              </span>
            ) : null}
          </li>
        );
      })}
    </ol>
  );
}
