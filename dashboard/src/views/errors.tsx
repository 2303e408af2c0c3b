// What went wrong lately, grouped by reason, with what to do.
import { useMemo } from "preact/hooks";
import { isError, subject, targetsOf } from "../facts";
import { ago, clock, count, plural } from "../format";
import type { Event } from "../model";
import { Badge, Card, Empty } from "../parts/pieces";
import type { View } from "../page";
import { useReference, type Failure } from "../reference";
import { link } from "../route";
import { useStore } from "../store";

interface Group {
  key: string;
  code: string;
  title: string;
  reason: string;
  where: string;
  kind: string;
  events: Event[];
}

const MOST_SHOWN = 8;

export function Errors(_: View) {
  const { events, edition } = useStore();
  const groups = useMemo(() => grouped(events), [edition]);
  const reference = useReference();
  const failures = reference.data?.failures ?? {};
  if (!groups.length) {
    return (
      <Card>
        <Empty title="Nothing has failed.">
          Failed calls, outages of servers, refusals and requests that were turned away stand here. Past failures are under <a href={link("history", "", { status: "failed" })}>History</a>.
        </Empty>
      </Card>
    );
  }
  return (
    <>
      <p class="dim" role="status">
        {plural(groups.reduce((sum, group) => sum + group.events.length, 0), "failure")} of {plural(groups.length, "kind")} among the latest events, the newest first
      </p>
      {groups.slice(0, 100).map((group) => (
        <OneGroup key={group.key} group={group} failure={failures[group.code]} />
      ))}
    </>
  );
}

function OneGroup({ group, failure }: { group: Group; failure: Failure | undefined }) {
  const last = group.events[0]!;
  const next = failure?.next.replaceAll("SERVER", group.where || "SERVER");
  return (
    <Card
      title={
        <>
          {group.title} <Badge tone="bad">{count(group.events.length)}</Badge>
        </>
      }
      more={<span class="dim">last {ago(last.time)}</span>}
    >
      {failure ? <p class="said">{failure.what}</p> : null}
      {group.reason && group.reason !== group.code ? <p class="said">{sentence(group.reason)}</p> : null}
      {next ? (
        <p class="next">
          <strong>Next:</strong> {next}
        </p>
      ) : null}
      <details>
        <summary>
          {plural(Math.min(MOST_SHOWN, group.events.length), "event")}
          {group.events.length > MOST_SHOWN ? ` of ${count(group.events.length)}` : ""}
        </summary>
        <ul class="latest inner">
          {group.events.slice(0, MOST_SHOWN).map((event) => (
            <li key={event.seq}>
              <time dateTime={event.timestamp}>{clock(event.time)}</time>
              <span>{event.requestId && event.tool ? <a href={link("calls", event.requestId)}>{subject(event)}</a> : subject(event)}</span>
              <span class="dim">
                {[targetsOf(event), event.client, event.principal].filter(Boolean).join(", ")}
                {event.sessionId ? (
                  <>
                    {" "}
                    <a href={link("sessions", event.sessionId)}>session</a>
                  </>
                ) : null}
              </span>
            </li>
          ))}
        </ul>
      </details>
      {group.where ? (
        <p class="dim">
          <a href={link("servers", group.where)}>Server {group.where}</a>
        </p>
      ) : null}
    </Card>
  );
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

const TITLES: Record<string, string> = {
  connect_failed: "cannot be connected",
  server_down: "was lost",
  config_reload: "The configuration was not taken",
  server_managed: "A change of a server was refused",
  denied: "No rule allows it",
  limit_reached: "A limit was reached",
  tool_call_lifecycle: "Clients gave up waiting",
};

function grouped(events: Event[]): Group[] {
  const found = new Map<string, Group>();
  for (let at = events.length - 1; at >= 0; at -= 1) {
    const event = events[at]!;
    if (!isError(event)) continue;
    const made = groupOf(event);
    const known = found.get(made.key);
    if (known) known.events.push(event);
    else found.set(made.key, { ...made, events: [event] });
  }
  return [...found.values()];
}

function groupOf(event: Event): Omit<Group, "events"> {
  const targets = event.downstreamTargets ?? [];
  const where = event.server ?? (targets.length === 1 ? targets[0]!.server : "");
  const base = { where, kind: event.type };
  switch (event.type) {
    case "tool_call": {
      const code = event.error ?? String(event.status ?? "error");
      return { ...base, key: `call ${code} ${event.tool}`, code, title: `${event.tool}: ${code.replaceAll("_", " ")}`, reason: "" };
    }
    case "http_request": {
      const code = `http_${event.status}`;
      return { ...base, key: `${code} ${event.path}`, code, title: `${event.method} ${event.path}: status ${event.status}`, reason: "" };
    }
    case "connect_failed":
    case "server_down": {
      const code = event.type === "connect_failed" ? "server_reconnecting" : "server_disconnected";
      return { ...base, key: `${event.type} ${event.server}`, code, title: `${event.server} ${TITLES[event.type]}`, reason: event.error ?? "" };
    }
    case "denied":
      return { ...base, key: `denied ${event.principal} ${event.tool}`, code: "authorization_denied", title: `${event.principal ?? "Somebody"} may not use ${subject(event)}`, reason: "" };
    case "limit_reached":
      return { ...base, key: `limit ${event.limit}`, code: "limit_reached", title: `${TITLES[event.type]}: ${event.limit}`, reason: event.error ?? "" };
    default:
      return { ...base, key: `${event.type} ${event.error ?? ""}`, code: event.type, title: TITLES[event.type] ?? event.type, reason: event.error ?? "" };
  }
}
