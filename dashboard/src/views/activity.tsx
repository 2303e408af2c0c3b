// What happened lately: the events that the listener keeps, as they come.
import { useMemo, useState } from "preact/hooks";
import { AUDITED, haystack, isError, KINDS, outcome, subject, targetsOf, toneOf } from "../facts";
import { clock, count, ms, plural } from "../format";
import type { Event } from "../model";
import { LongList } from "../parts/long_list";
import { Badge, Choice, Empty } from "../parts/pieces";
import type { View } from "../page";
import { link, refine, type Query } from "../route";
import { MOST_EVENTS, useStore } from "../store";

type Status = "all" | "failed" | "fine";

export function Activity({ route }: View) {
  const { events, edition, filling, snapshot } = useStore();
  const [held, setHeld] = useState<{ events: Event[]; edition: number } | null>(null);
  const shown = held?.events ?? events;
  const at = held?.edition ?? edition;
  const { query } = route;
  const key = JSON.stringify(query);
  const found = useMemo(() => filtered(shown, query), [at, key]);
  const kinds = useMemo(() => Object.keys(KINDS), []);
  const filters = ["server", "tool", "session", "principal"].filter((name) => query[name]);
  const most = snapshot?.summary.maxEvents ?? 500;
  return (
    <>
      <div class="filters" role="search">
        <input type="search" aria-label="Search events" placeholder="Search" value={query.q ?? ""} onInput={(event) => refine({ q: event.currentTarget.value })} />
        <select aria-label="Kind of event" value={query.kind ?? ""} onChange={(event) => refine({ kind: event.currentTarget.value })}>
          <option value="">All kinds</option>
          <option value="audit">Audit: refusals, approvals, changes</option>
          {kinds.map((kind) => (
            <option key={kind} value={kind}>
              {KINDS[kind]}
            </option>
          ))}
        </select>
        <Choice<Status>
          label="Outcome"
          value={(query.status as Status) ?? "all"}
          onChange={(status) => refine({ status: status === "all" ? "" : status })}
          options={[
            { value: "all", text: "All" },
            { value: "failed", text: "Failed" },
            { value: "fine", text: "Fine" },
          ]}
        />
        {filters.map((name) => (
          <button type="button" class="chip" key={name} onClick={() => refine({ [name]: "" })} aria-label={`No longer only ${name} ${query[name]}`}>
            {name} {query[name]} <span aria-hidden="true">×</span>
          </button>
        ))}
        <button type="button" aria-pressed={held !== null} onClick={() => setHeld(held ? null : { events: [...events], edition })}>
          {held ? `Go on (${count(Math.max(0, (events.at(-1)?.seq ?? 0) - (held.events.at(-1)?.seq ?? 0)))} new)` : "Hold"}
        </button>
        <span class="dim" role="status">
          {plural(found.length, "event")}
          {filling ? ", older ones are coming" : ""}
        </span>
      </div>
      <LongList
        id="events"
        label="Events"
        rows={found}
        href={(event) => (event.requestId && event.tool ? link("calls", event.requestId) : undefined)}
        toneOf={(event) => {
          const tone = toneOf(event);
          return tone === "bad" || tone === "warn" ? tone : undefined;
        }}
        empty={
          events.length ? (
            <Empty title="No event is like that.">
              Take a filter away. The latest {count(Math.min(most, MOST_EVENTS))} events are kept here; calls of former days are under <a href={link("history")}>History</a>.
            </Empty>
          ) : (
            <Empty title="Nothing has happened yet.">
              <a href={link("connect")}>Connect a client</a>, or <a href={link("tools")}>try a tool</a>.
            </Empty>
          )
        }
        columns={[
          { key: "time", title: "Time", width: "5.2rem", narrow: "4.9rem", show: (event) => <time dateTime={event.timestamp}>{clock(event.time)}</time> },
          { key: "kind", title: "Kind", width: "7.6rem", wide: true, show: (event) => <Kind event={event} /> },
          { key: "what", title: "What", width: "minmax(0, 1.4fr)", leads: true, show: (event) => subject(event) || KINDS[event.type], under: (event) => `${KINDS[event.type] ?? event.type}: ${outcome(event)}` },
          { key: "where", title: "Where", width: "minmax(0, 1.3fr)", wide: true, show: (event) => <span class="dim">{event.type === "tool_call" ? targetsOf(event) : (event.client ?? "")}</span> },
          { key: "who", title: "Who", width: "minmax(0, 0.8fr)", wide: true, show: (event) => <span class="dim">{event.principal ?? event.client ?? ""}</span> },
          { key: "outcome", title: "Outcome", width: "minmax(0, 1.2fr)", wide: true, show: (event) => <span class={isError(event) ? "failed" : "dim"}>{outcome(event)}</span> },
          { key: "took", title: "Took", width: "4.4rem", right: true, show: (event) => (event.durationMs === undefined ? "" : ms(event.durationMs)) },
        ]}
      />
    </>
  );
}

function Kind({ event }: { event: Event }) {
  const tone = toneOf(event);
  return <Badge tone={tone}>{KINDS[event.type] ?? event.type}</Badge>;
}

/** The events that the filters let through, newest first. */
function filtered(events: Event[], query: Query): Event[] {
  const words = (query.q ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const found: Event[] = [];
  for (let at = events.length - 1; at >= 0; at -= 1) {
    const event = events[at]!;
    if (query.kind && (query.kind === "audit" ? !AUDITED.has(event.type) : event.type !== query.kind)) continue;
    if (query.status && (query.status === "failed") !== isError(event)) continue;
    if (query.session && event.sessionId !== query.session) continue;
    if (query.principal && event.principal !== query.principal) continue;
    if (query.server && event.server !== query.server && !event.downstreamTargets?.some((one) => one.server === query.server)) continue;
    if (query.tool && event.tool !== query.tool && !event.downstreamTargets?.some((one) => one.tool === query.tool)) continue;
    if (words.length) {
      const text = haystack(event);
      if (!words.every((word) => text.includes(word))) continue;
    }
    found.push(event);
  }
  return found;
}
