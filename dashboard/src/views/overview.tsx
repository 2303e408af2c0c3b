// How it is, at a glance.
import { useMemo } from "preact/hooks";
import { useAsked } from "../asked";
import { isError, NODE_TONES, nodes, servers, TONES, type Server } from "../facts";
import { ago, bytes, count, ms, plural, quantile, rate, share } from "../format";
import type { Event, Latency, NodeFacts, Series, Snapshot } from "../model";
import { Chart } from "../parts/chart";
import { Grid } from "../parts/grid";
import { Badge, Card, Dot, Empty } from "../parts/pieces";
import type { View } from "../page";
import { link } from "../route";
import { useStore } from "../store";
import { Latest } from "./latest";

const WINDOW_MS = 10_000;

export function Overview({ route, theme }: View) {
  const { snapshot, events } = useStore();
  const range = route.query.range ?? "1h";
  const series = useAsked<Series>("series", { range }, 15);
  const latency = useAsked<Latency>("latency", { range }, 30);
  const all = servers(snapshot);
  const now = useMemo(() => recentFigures(events), [events, events.length, snapshot]);
  if (!snapshot) return null;
  const listener = snapshot.status.listener ?? {};
  const totals = series.data?.series.totals;
  const spread = latency.data?.totals ?? now.spread;
  return (
    <>
      <Health all={all} />
      <Problems found={problemsOf(snapshot)} />
      <div class="figures" role="list" aria-label="Figures">
        <Figure name="Calls a second" value={rate(now.perSecond)} note={`${count(totals?.calls)} in this range`} to={link("activity")} />
        <Figure name="Sessions" value={count(listener.activeSessions ?? 0)} note={plural(listener.activeToolCallCount ?? 0, "call") + " running"} to={link("sessions")} />
        <Figure
          name="Latency, median"
          value={ms(spread?.p50)}
          note={`p95 ${ms(spread?.p95)}, p99 ${ms(spread?.p99)}`}
        />
        <Figure
          name="Errors"
          value={totals ? share(totals.errors, totals.calls) : "–"}
          note={`${plural(totals?.errors ?? 0, "call")} failed`}
          tone={totals && totals.errors / Math.max(1, totals.calls) > 0.05 ? "bad" : undefined}
          to={link("errors")}
        />
        <Figure name="From the cache" value={totals ? share(totals.cacheHits, totals.calls) : "–"} note={`${plural(totals?.cacheHits ?? 0, "call")} sent nothing`} />
        <Saved series={series.data} />
      </div>
      <div class="columns">
        <Card title="Calls" more={<span class="dim">{stepOf(series.data)}</span>}>
          <Calls series={series.data} theme={theme} />
        </Card>
        <Card title="Latency">
          {latency.waits ? <p class="waits">Reading …</p> : <Latencies latency={latency.data} events={events} theme={theme} />}
        </Card>
      </div>
      <div class="columns brief">
        <Card title="Servers" more={<a href={link("servers")}>All servers</a>} flush>
          <ByServer all={all} latency={latency.data} />
        </Card>
        <Card title="Latest errors" more={<a href={link("errors")}>All errors</a>} flush>
          <Latest picked={(event) => isError(event) && event.type !== "http_request"} empty="Nothing has failed." most={6} />
        </Card>
      </div>
      <Nodes snapshot={snapshot} />
      <Stores snapshot={snapshot} />
    </>
  );
}

function Figure({ name, value, note, tone, to }: { name: string; value: string; note?: string; tone?: string | undefined; to?: string }) {
  return (
    <div class="figure" role="listitem">
      <span class="name">{to ? <a href={to}>{name}</a> : name}</span>
      <span class={`value${tone ? ` ${tone}` : ""}`}>{value}</span>
      {note ? <span class="note">{note}</span> : null}
    </div>
  );
}

function Health({ all }: { all: Server[] }) {
  const troubled = all.filter((one) => one.needs);
  const running = all.filter((one) => one.state !== "disabled");
  if (!all.length) {
    return (
      <Card id="health">
        <Empty title="There is no server yet.">
          <a href={link("servers", "", { add: "1" })}>Add one here</a>, or write one into the configuration file and save it: callmux reads the file again by itself.
        </Empty>
      </Card>
    );
  }
  if (!troubled.length) {
    return (
      <p class="health good" id="health">
        <Dot tone={running.length ? "good" : "dim"}>{upWords(running.length)}</Dot>
      </p>
    );
  }
  return (
    <section class="health bad" id="health" aria-label="Servers that need attention">
      <Dot tone="bad">
        {troubled.length} of {plural(running.length, "server")} {troubled.length === 1 ? "needs" : "need"} attention
      </Dot>
      <ul>
        {troubled.map((one) => (
          <li key={one.name}>
            <a href={link("servers", one.name)}>{one.name}</a> {one.signInNeeded ? "waits for a person to sign in" : one.state}
            {one.lastError ? <>: {one.lastError}</> : null}
            {one.nextStep ? <div class="dim">Next: {one.nextStep}</div> : null}
          </li>
        ))}
      </ul>
    </section>
  );
}

function upWords(n: number): string {
  if (n === 0) return "All servers are disabled.";
  return n === 1 ? "The server is up." : n === 2 ? "Both servers are up." : `All ${n} servers are up.`;
}

function Problems({ found }: { found: string[] }) {
  if (!found.length) return null;
  return (
    <div class="trouble" role="alert">
      <strong>What is kept of calls is not complete. Calls themselves go on.</strong>
      <ul>
        {found.map((one) => (
          <li key={one}>{one}</li>
        ))}
      </ul>
    </div>
  );
}

const KEPT: Record<string, string> = { eventStore: "Event store", history: "History", auditLog: "Audit log" };

/** What cannot be written, each reason once. */
function problemsOf({ problems, status, eventStore }: Snapshot): string[] {
  const told = { ...asObject(problems), ...asObject(status.listener?.problems) };
  const found = Object.entries(told).map(([name, why]) => `${KEPT[name] ?? words(name)}: ${text(why)}`);
  const store = typeof eventStore?.problem === "string" ? `Event store: ${eventStore.problem}` : "";
  if (store && !told.eventStore) found.push(store);
  if (Number(eventStore?.lost) > 0) found.push(`Event store: ${plural(Number(eventStore?.lost), "call")} could not be written.`);
  return [...new Set(found)];
}

function asObject(value: unknown): Record<string, unknown> {
  if (Array.isArray(value)) return Object.fromEntries(value.map((one, n) => [String(n), one]));
  return value && typeof value === "object" ? (value as Record<string, unknown>) : {};
}

function text(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function Calls({ series, theme }: { series: Series | null; theme: string }) {
  if (!series) return <div class="chart" />;
  const { points, totals } = series.series;
  if (!totals.calls) {
    return (
      <Empty title="No call in this time.">
        <a href={link("connect")}>Connect a client</a>, or <a href={link("tools")}>try a tool</a> yourself.
      </Empty>
    );
  }
  return (
    <Chart
      theme={theme}
      label={`Calls over time: ${count(totals.calls)}, of which ${count(totals.errors)} failed`}
      times={points.map((point) => point.t / 1000)}
      show={(value) => count(value)}
      lines={[
        { label: "Calls", values: points.map((point) => point.calls), color: "accent", bars: true },
        { label: "Failed", values: points.map((point) => point.errors), color: "bad", bars: true },
      ]}
    />
  );
}

function Latencies({ latency, events, theme }: { latency: Latency | null; events: Event[]; theme: string }) {
  const points = latency?.points ?? [];
  const known = points.some((point) => point.p50 !== null);
  const made = useMemo(() => (known ? null : byMinute(events)), [known, events, events.length]);
  const shown = known ? points : (made ?? []);
  if (!shown.some((point) => point.p50 !== null)) {
    return <Empty title="No call to measure yet.">Times of calls stand here as soon as there are any.</Empty>;
  }
  // The scale has no zero.
  const pick = (key: "p50" | "p95" | "p99") => shown.map((point) => (point[key] === null ? null : Math.max(0.5, point[key])));
  return (
    <Chart
      theme={theme}
      label="Latency over time, median and slowest calls"
      times={shown.map((point) => point.t / 1000)}
      show={(value) => ms(value)}
      log
      lines={[
        { label: "Median", values: pick("p50"), color: "accent" },
        { label: "p95", values: pick("p95"), color: "warn" },
        { label: "p99", values: pick("p99"), color: "dim", dash: true },
      ]}
    />
  );
}

function ByServer({ all, latency }: { all: Server[]; latency: Latency | null }) {
  if (!all.length) return <Empty title="No server yet." />;
  const slowest = new Map((latency?.servers ?? []).map((one) => [one.server, one.p95]));
  return (
    <Grid
      label="Servers"
      rows={all}
      rowKey={(one) => one.name}
      columns={[
        { title: "Server", by: (one) => one.name, show: (one) => <a href={link("servers", one.name)}>{one.name}</a> },
        { title: "State", by: (one) => one.state, show: (one) => <Dot tone={one.tone}>{one.state}</Dot> },
        { title: "Calls", right: true, by: (one) => one.counts?.calls ?? 0, show: (one) => count(one.counts?.calls ?? 0) },
        { title: "Failed", right: true, by: (one) => one.counts?.errors ?? 0, show: (one) => count(one.counts?.errors ?? 0) },
        { title: "Average", right: true, wide: true, by: average, show: (one) => ms(average(one) || null) },
        ...(slowest.size
          ? [{ title: "p95", right: true, wide: true, by: (one: Server) => slowest.get(one.name) ?? 0, show: (one: Server) => ms(slowest.get(one.name)) }]
          : []),
        { title: "Last call", right: true, wide: true, by: (one) => one.counts?.lastCallAt ?? 0, show: (one) => ago(one.counts?.lastCallAt) },
      ]}
    />
  );
}

/** All listeners that are one with this one; nothing where it is alone. */
function Nodes({ snapshot }: { snapshot: Snapshot }) {
  const all = nodes(snapshot);
  const problem = snapshot.status.listener?.cluster?.problem;
  if (!all.length) return null;
  return (
    <Card id="nodes" title="Nodes" more={<span class="dim">calls and figures above are of this node</span>} flush>
      {problem ? (
        <p class="trouble" role="alert">
          Other nodes are not known now: {problem}
        </p>
      ) : null}
      <Grid
        label="Nodes"
        rows={all}
        rowKey={(one) => one.id}
        columns={[
          {
            title: "Node",
            by: (one) => one.name,
            show: (one) => (
              <>
                {one.name} {one.self ? <Badge>this one</Badge> : null}
              </>
            ),
          },
          { title: "State", by: (one) => one.state, show: (one) => <Dot tone={NODE_TONES[one.state] ?? "dim"}>{one.state}</Dot> },
          { title: "Sessions", right: true, by: (one) => one.sessions ?? 0, show: (one) => (one.sessions === undefined ? "–" : count(one.sessions)) },
          { title: "Servers", by: (one) => Object.keys(one.servers ?? {}).length, show: (one) => serversOf(one) },
          { title: "Version", right: true, wide: true, by: (one) => one.version, show: (one) => one.version },
        ]}
      />
    </Card>
  );
}

/** How many servers a node has, and those that are not up. */
function serversOf(one: NodeFacts) {
  const states = Object.entries(one.servers ?? {});
  const down = states.filter(([, state]) => TONES[state] === "bad" || TONES[state] === "warn");
  if (one.state === "away") return <span class="dim">–</span>;
  return (
    <>
      {plural(states.length, "server")}
      {down.map(([name, state]) => (
        <div class="reason" key={name}>
          <a href={link("servers", name)}>{name}</a>: {state}
        </div>
      ))}
    </>
  );
}

function average(one: Server): number {
  return one.counts?.calls ? one.counts.totalDurationMs / one.counts.calls : 0;
}

function Saved({ series }: { series: Series | null }) {
  const saved = series?.series.totals.toonSaved ?? 0;
  return <Figure name="Tokens saved" value={saved ? `≈ ${count(saved / 4)}` : "0"} note={saved ? `${bytes(saved)} of answers, as TOON` : "answers went out as JSON"} />;
}

function Stores({ snapshot }: { snapshot: Snapshot }) {
  const { cache, responseStore, schemaCompression } = snapshot.status;
  const parts: [string, Record<string, unknown> | undefined][] = [
    ["Cache", cache],
    ["Response store", responseStore],
    ["Schema compression", schemaCompression],
    ["Event store", snapshot.eventStore],
  ];
  return (
    <div class="columns three">
      {parts.map(([title, facts]) =>
        facts ? (
          <Card title={title} key={title}>
            <dl class="facts tight">
              {Object.entries(facts)
                .filter(([, value]) => ["string", "number", "boolean"].includes(typeof value))
                .map(([key, value]) => (
                  <div key={key}>
                    <dt>{words(key)}</dt>
                    <dd>{shown(key, value)}</dd>
                  </div>
                ))}
            </dl>
          </Card>
        ) : null,
      )}
    </div>
  );
}

export function words(key: string): string {
  const spaced = key.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

function shown(key: string, value: unknown): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") {
    if (/bytes|size|chars/i.test(key)) return bytes(value);
    if (/ms$/i.test(key)) return ms(value);
    return /rate|ratio/i.test(key) ? share(value, 1) : count(value);
  }
  return String(value);
}

function stepOf(series: Series | null): string {
  const step = series?.series.bucketMs;
  if (!step) return "";
  return step >= 3_600_000 ? "by hour" : step >= 300_000 ? "by five minutes" : "by minute";
}

function recentFigures(events: Event[]) {
  const now = Date.now();
  const times: number[] = [];
  let recent = 0;
  for (let at = events.length - 1; at >= 0; at -= 1) {
    const event = events[at]!;
    if (event.type !== "tool_call") continue;
    if (now - event.time <= WINDOW_MS) recent += 1;
    if (now - event.time > 3_600_000) break;
    times.push(event.durationMs ?? 0);
  }
  times.sort((a, b) => a - b);
  return {
    perSecond: recent / (WINDOW_MS / 1000),
    spread: { p50: quantile(times, 0.5), p95: quantile(times, 0.95), p99: quantile(times, 0.99) },
  };
}

function byMinute(events: Event[]) {
  const found = new Map<number, number[]>();
  const begin = Date.now() - 3_600_000;
  for (let at = events.length - 1; at >= 0; at -= 1) {
    const event = events[at]!;
    if (event.time < begin) break;
    if (event.type !== "tool_call" || event.durationMs === undefined) continue;
    const minute = Math.floor(event.time / 60_000) * 60_000;
    const list = found.get(minute);
    if (list) list.push(event.durationMs);
    else found.set(minute, [event.durationMs]);
  }
  if (!found.size) return [];
  const points = [];
  for (let t = Math.floor(begin / 60_000) * 60_000; t <= Date.now(); t += 60_000) {
    const list = found.get(t)?.sort((a, b) => a - b) ?? [];
    points.push({ t, p50: quantile(list, 0.5), p95: quantile(list, 0.95), p99: quantile(list, 0.99) });
  }
  return points;
}
