// Past calls from the event store: totals, who made them, and each of them.
import { useEffect, useState } from "preact/hooks";
import { get } from "../address";
import { useAsked } from "../asked";
import { ago, bytes, clock, count, ms, plural, share } from "../format";
import type { BreakdownRow, CallRow, Drilldown, HeaderRow } from "../model";
import { Grid } from "../parts/grid";
import { LongList } from "../parts/long_list";
import { Badge, Card, Choice, Empty, Trouble } from "../parts/pieces";
import type { View } from "../page";
import { link, refine } from "../route";
import { asRefused } from "../store";
import type { Refused } from "../address";

type Side = "calls" | "sums" | "headers";
const PIECE = 500;

export function History({ route }: View) {
  const range = route.query.range ?? "1h";
  const side = (route.query.side as Side) ?? "calls";
  const sums = useAsked<Drilldown>("drilldown", { range, limit: 100 }, 30);
  if (sums.data && !sums.data.enabled) {
    return (
      <Card>
        <Empty title="Past calls are not kept.">
          {sums.data.reason === "eventStore.enabled is false" ? (
            <>
              Write <code>{'"eventStore": {"enabled": true}'}</code> into the configuration file and save it: each call is a row from then on, without arguments and results.
            </>
          ) : (
            sums.data.reason
          )}
        </Empty>
      </Card>
    );
  }
  if (sums.error && !sums.data) return <Trouble error={sums.error} again={sums.again} />;
  const totals = sums.data?.totals;
  return (
    <>
      <div class="filters">
        <Choice<Side>
          label="What"
          value={side}
          onChange={(next) => refine({ side: next === "calls" ? "" : next })}
          options={[
            { value: "calls", text: "Calls" },
            { value: "sums", text: "Sums" },
            { value: "headers", text: "Forwarded headers" },
          ]}
        />
        {totals ? (
          <span class="dim" role="status">
            {plural(totals.calls, "call")}, {share(totals.errors, totals.calls)} failed, {ms(totals.avgDurationMs)} on average
          </span>
        ) : null}
      </div>
      <StoreNews store={sums.data?.store} />
      {side === "calls" ? <Calls key={range} route={route} range={range} /> : side === "sums" ? <Sums data={sums.data} /> : <Headers rows={sums.data?.forwardedHeaders ?? []} />}
    </>
  );
}

function StoreNews({ store }: { store: Record<string, unknown> | undefined }) {
  if (!store) return null;
  const said: string[] = [];
  if (typeof store.problem === "string") said.push(store.problem);
  if (Number(store.lost) > 0) said.push(`${plural(Number(store.lost), "call")} could not be written.`);
  if (typeof store.setAside === "string") said.push(`A damaged file was moved to ${store.setAside}; a new one was begun.`);
  if (Number(store.summedRows) > 0) {
    const above = Number(store.summedAbovePerSecond) || 1000;
    said.push(`${plural(Number(store.summedRows), "row stands", "rows stand")} for several calls each: above ${count(above)} calls a second equal calls are one row.`);
  }
  if (!said.length) return null;
  return (
    <div class="trouble past" role="status">
      {said.map((one) => (
        <p key={one}>{one}</p>
      ))}
    </div>
  );
}

function Calls({ route, range }: { route: View["route"]; range: string }) {
  const { server, tool, session, principal, status, q } = route.query;
  const query = { range, server, tool, session, principal, status, q, limit: PIECE };
  const key = JSON.stringify(query);
  const [state, setState] = useState<{ key: string; rows: CallRow[]; next: string | null; reason?: string | undefined; error: Refused | null }>({ key: "", rows: [], next: null, error: null });
  const [busy, setBusy] = useState(false);
  const ask = async (before: string | null, abort?: AbortSignal) => {
    setBusy(true);
    try {
      const found = await get<{ enabled: boolean; reason?: string; rows?: CallRow[]; next?: string | null }>("calls", { ...query, before: before ?? undefined }, abort);
      setState((old) => ({ key, rows: before === null ? (found.rows ?? []) : [...old.rows, ...(found.rows ?? [])], next: found.next ?? null, reason: found.enabled ? undefined : found.reason, error: null }));
    } catch (error) {
      if (!abort?.aborted) setState((old) => ({ ...old, key, error: asRefused(error) }));
    } finally {
      setBusy(false);
    }
  };
  useEffect(() => {
    const abort = new AbortController();
    const timer = setTimeout(() => void ask(null, abort.signal), 150);
    return () => {
      clearTimeout(timer);
      abort.abort();
    };
  }, [key]);
  const named = { server, tool, session, principal };
  return (
    <>
      <div class="filters" role="search">
        <input type="search" aria-label="Search calls" placeholder="Tool, server or error" value={q ?? ""} onInput={(event) => refine({ q: event.currentTarget.value })} />
        <select aria-label="Outcome" value={status ?? ""} onChange={(event) => refine({ status: event.currentTarget.value })}>
          <option value="">Every outcome</option>
          <option value="failed">Failed</option>
          <option value="ok">Ok</option>
          <option value="downstream_error">The server's answer is an error</option>
          <option value="error">Outage, time-out or refusal</option>
          <option value="aborted">Given up by the client</option>
        </select>
        {Object.entries(named).map(([name, value]) =>
          value ? (
            <button type="button" class="chip" key={name} onClick={() => refine({ [name]: "" })} aria-label={`No longer only ${name} ${value}`}>
              {name} {value} <span aria-hidden="true">×</span>
            </button>
          ) : null,
        )}
        {state.next ? (
          <button type="button" disabled={busy} onClick={() => void ask(state.next)}>
            {busy ? "Reading …" : "Older calls"}
          </button>
        ) : null}
        <span class="dim" role="status">
          {plural(state.rows.length, "row")}
          {state.next ? ", there are more" : ""}
        </span>
      </div>
      <Trouble error={state.error} again={() => void ask(null)} />
      <LongList
        id="calls"
        label="Past calls"
        rows={state.rows}
        href={(row) => (row.requestId ? link("calls", row.requestId) : undefined)}
        toneOf={(row) => (row.ok ? undefined : "bad")}
        empty={<Empty title={busy || !state.key ? "Reading …" : (state.reason ?? "There was no such call in this time.")}>{state.reason || busy ? null : "Take a filter away, or choose a longer time."}</Empty>}
        columns={[
          { key: "at", title: "Time", width: "8.2rem", narrow: "4.9rem", show: (row) => clock(row.at) },
          { key: "tool", title: "Tool", width: "minmax(0, 1.4fr)", leads: true, show: (row) => row.tool, under: outcomeOf },
          { key: "server", title: "Server", width: "minmax(0, 0.8fr)", wide: true, show: (row) => (row.server ? <Filter name="server" value={row.server} /> : "") },
          { key: "session", title: "Session", width: "minmax(0, 0.8fr)", wide: true, show: (row) => (row.sessionId ? <Filter name="session" value={row.sessionId} /> : "") },
          { key: "who", title: "Who", width: "minmax(0, 0.7fr)", wide: true, show: (row) => (row.principal ? <Filter name="principal" value={row.principal} /> : "") },
          { key: "outcome", title: "Outcome", width: "minmax(0, 1fr)", wide: true, show: outcomeOf },
          { key: "took", title: "Took", width: "4.6rem", right: true, show: (row) => ms(row.durationMs) },
          { key: "n", title: "Calls", width: "3.4rem", right: true, wide: true, show: (row) => ((row.calls ?? 1) > 1 ? <Badge>×{row.calls}</Badge> : "1") },
        ]}
      />
    </>
  );
}

function outcomeOf(row: CallRow) {
  return <span class={row.ok ? "dim" : "failed"}>{row.error ?? (row.cacheHit ? "from the cache" : row.status.replaceAll("_", " "))}</span>;
}

function Filter({ name, value }: { name: string; value: string }) {
  return (
    <button type="button" class="as-link" onClick={() => refine({ [name]: value })} aria-label={`Only ${name} ${value}`}>
      {value}
    </button>
  );
}

function Sums({ data }: { data: Drilldown | null }) {
  if (!data) return <p class="waits">Reading …</p>;
  const parts: [string, string, BreakdownRow[]][] = [
    ["By server", "server", data.byServer ?? []],
    ["By tool", "tool", data.byTool ?? []],
    ["By session", "session", data.bySession ?? []],
    ["By transport", "", data.byTransport ?? []],
  ];
  return (
    <div class="columns">
      {parts.map(([title, filter, rows]) => (
        <Card title={title} key={title} flush>
          {rows.length ? (
            <Grid
              label={title}
              rows={rows}
              rowKey={(row) => row.name}
              columns={[
                { title: "Name", by: (row) => row.name, show: (row) => (filter && row.name !== "(none)" ? <a href={link("history", "", { [filter]: row.name, side: "" })}>{row.name}</a> : row.name) },
                { title: "Calls", right: true, by: (row) => row.calls, show: (row) => count(row.calls) },
                { title: "Failed", right: true, by: (row) => row.errors, show: (row) => share(row.errors, row.calls) },
                { title: "Average", right: true, wide: true, by: (row) => row.avgDurationMs, show: (row) => ms(row.avgDurationMs) },
                { title: "Answers", right: true, wide: true, by: (row) => row.bytesOut, show: (row) => bytes(row.bytesOut) },
                { title: "Last", right: true, wide: true, by: (row) => row.lastCallAt ?? "", show: (row) => ago(row.lastCallAt) },
              ]}
            />
          ) : (
            <Empty title="No call in this time." />
          )}
        </Card>
      ))}
    </div>
  );
}

function Headers({ rows }: { rows: HeaderRow[] }) {
  return (
    <Card title="Headers of clients that servers got" more={<span class="dim">names only; values are never kept</span>} flush>
      {rows.length ? (
        <Grid
          label="Forwarded headers"
          rows={rows}
          rowKey={(row) => `${row.server} ${row.tool} ${row.sessionId} ${row.principal} ${row.headerName}`}
          columns={[
            { title: "Header", by: (row) => row.headerName, show: (row) => <code>{row.headerName}</code> },
            { title: "Server", by: (row) => row.server, show: (row) => row.server },
            { title: "Tool", wide: true, by: (row) => row.tool, show: (row) => row.tool },
            { title: "Who", by: (row) => row.principal, show: (row) => row.principal },
            { title: "Session", wide: true, show: (row) => row.sessionId },
            { title: "Calls", right: true, by: (row) => row.calls, show: (row) => count(row.calls) },
            { title: "Last", right: true, wide: true, by: (row) => row.lastSeenAt, show: (row) => ago(row.lastSeenAt) },
          ]}
        />
      ) : (
        <Empty title="No header was passed on in this time.">
          A server gets headers of clients only where its entry has <code>forwardHeaders</code>.
        </Empty>
      )}
    </Card>
  );
}
