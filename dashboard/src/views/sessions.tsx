// Clients that are connected, and one of their sessions.
import { useAsked } from "../asked";
import { ago, clock, count, plural } from "../format";
import type { ClientSession, Running } from "../model";
import { LongList } from "../parts/long_list";
import { Badge, Card, Empty, Facts, Trouble } from "../parts/pieces";
import type { View } from "../page";
import { link } from "../route";
import { Latest } from "./latest";
import { RunningCall } from "./live";

export function Sessions({ route }: View) {
  const asked = useAsked<{ sessions: ClientSession[] }>("sessions", {}, 5);
  const rows = asked.data?.sessions;
  if (!rows) return asked.error ? <Trouble error={asked.error} again={asked.again} /> : <p class="waits">Asking for the sessions …</p>;
  if (route.part) {
    const one = rows.find((session) => session.id === route.part);
    return <OneSession id={route.part} session={one} />;
  }
  return (
    <>
      <p class="dim" role="status">
        {rows.length ? plural(rows.length, "session") : "No client is connected."}
      </p>
      <Trouble error={asked.error} again={asked.again} />
      <LongList
        id="sessions"
        label="Sessions"
        rows={rows}
        href={(session) => link("sessions", session.id)}
        empty={
          <Empty title="No client is connected.">
            See under <a href={link("connect")}>Connect</a> how Claude Code, Codex and others are connected.
          </Empty>
        }
        columns={[
          { key: "client", title: "Client", width: "minmax(7rem, 1.1fr)", show: (session) => clientOf(session), under: (session) => session.directory ?? session.revision ?? "" },
          { key: "principal", title: "Who", width: "minmax(5rem, 0.8fr)", show: (session) => session.principal ?? <span class="dim">anybody</span> },
          { key: "directory", title: "Directory", width: "minmax(0, 1.6fr)", wide: true, show: (session) => session.directory ?? <span class="dim">–</span> },
          { key: "revision", title: "MCP", width: "6.2rem", wide: true, show: (session) => session.revision ?? "–" },
          { key: "running", title: "Running", width: "5rem", right: true, show: (session) => (session.active ? <Badge tone="accent">{count(session.active)}</Badge> : "0") },
          { key: "begun", title: "Begun", width: "5.6rem", right: true, show: (session) => ago(session.startedAt) },
        ]}
      />
    </>
  );
}

function clientOf(session: ClientSession): string {
  return session.client ?? session.clientKind ?? "unknown";
}

function OneSession({ id, session }: { id: string; session: ClientSession | undefined }) {
  const live = useAsked<{ calls: Running[] }>("live", {}, 2);
  const own = (live.data?.calls ?? []).filter((call) => call.sessionId === id);
  return (
    <>
      {session ? (
        <Card title="Session">
          <Facts
            rows={[
              ["Client", clientOf(session)],
              ["Who", session.principal ?? "anybody: no credential is asked for"],
              ["MCP revision", session.revision],
              ["Transport", session.transport],
              ["Directory", session.directory],
              ["Directory from", session.directorySource],
              ["Profile", session.profile],
              ["Begun", session.startedAt ? `${clock(session.startedAt)} (${ago(session.startedAt)})` : null],
            ]}
          />
        </Card>
      ) : (
        <Card>
          <Empty title="This session is over.">What is kept of its calls stands below; older ones are under History.</Empty>
        </Card>
      )}
      {own.length ? (
        <Card title="Running" flush>
          <ul class="running">
            {own.map((call) => (
              <RunningCall key={call.id} call={call} again={live.again} />
            ))}
          </ul>
        </Card>
      ) : null}
      <Card title="Latest" more={<a href={link("activity", "", { session: id })}>All of it</a>} flush>
        <Latest picked={(event) => event.sessionId === id} empty="Nothing is kept of it." most={30} />
      </Card>
    </>
  );
}
