// All servers, and one of them.
import { useState } from "preact/hooks";
import { send } from "../address";
import { useAsked, useDeed } from "../asked";
import { nodes, servers, TONES, type Server } from "../facts";
import { ago, clock, count, ms, plural, share } from "../format";
import type { NodeFacts, Printed } from "../model";
import { Grid } from "../parts/grid";
import { Badge, Card, Code, Dialog, Dot, Empty, Facts, Said, Trouble } from "../parts/pieces";
import type { View } from "../page";
import { link, refine } from "../route";
import { refreshNow, right, useStore } from "../store";
import { Latest } from "./latest";
import { ServerForm } from "./server_form";

type Deed = "restart" | "stop" | "start" | "disable" | "enable" | "remove";

/** What may be done at one node alone. */
const ORDERS: Deed[] = ["restart", "stop", "start"];

export function Servers({ route }: View) {
  const { snapshot } = useStore();
  const all = servers(snapshot);
  const manage = right("manage");
  const one = route.part ? all.find((server) => server.name === route.part) : undefined;
  const adding = route.query.add === "1";
  return (
    <>
      {route.part ? (
        one ? (
          <OneServer server={one} />
        ) : (
          <Empty title={`There is no server "${route.part}".`}>
            It was removed, or renamed. <a href={link("servers")}>All servers</a>
          </Empty>
        )
      ) : (
        <>
          <div class="actions">
            <span class="dim">{plural(all.length, "server")}</span>
            <button type="button" class="primary" disabled={!manage.may} aria-describedby={manage.may ? undefined : "why-manage"} onClick={() => refine({ add: "1" })}>
              Add a server
            </button>
          </div>
          {manage.may ? null : (
            <p class="dim why" id="why-manage">
              <Said text={manage.why} />
            </p>
          )}
          <AllServers all={all} />
        </>
      )}
      {adding && manage.may ? <ServerForm close={() => refine({ add: "" })} /> : null}
    </>
  );
}

function AllServers({ all }: { all: Server[] }) {
  if (!all.length) {
    return (
      <Card>
        <Empty title="There is no server yet.">
          Add one with the button above, run <code>callmux server add NAME -- COMMAND</code>, or move those that your clients have with <code>callmux setup</code>.
        </Empty>
      </Card>
    );
  }
  return (
    <Card flush>
      <Grid
        label="Servers"
        rows={all}
        rowKey={(one) => one.name}
        columns={[
          {
            title: "Server",
            by: (one) => one.name,
            show: (one) => (
              <>
                <a href={link("servers", one.name)}>{one.name}</a>
                {one.lastError && one.needs ? <div class="reason">{one.lastError}</div> : null}
              </>
            ),
          },
          {
            title: "State",
            by: (one) => one.state,
            show: (one) => (
              <>
                <Dot tone={one.tone}>{one.signInNeeded ? "sign-in needed" : one.state}</Dot>
                {one.nextRetryAt ? <div class="dim">again {ago(one.nextRetryAt)}</div> : null}
              </>
            ),
          },
          { title: "Transport", wide: true, by: (one) => one.transport ?? "", show: (one) => one.transport ?? "–" },
          { title: "Tools", right: true, by: (one) => one.toolNames.length, show: (one) => count(one.toolNames.length) },
          { title: "Calls", right: true, by: (one) => one.counts?.calls ?? 0, show: (one) => count(one.counts?.calls ?? 0) },
          { title: "Failed", right: true, wide: true, by: (one) => one.counts?.errors ?? 0, show: (one) => share(one.counts?.errors ?? 0, one.counts?.calls ?? 0) },
          { title: "Up since", right: true, wide: true, by: (one) => one.lastConnectedAt ?? "", show: (one) => (one.state === "connected" ? ago(one.lastConnectedAt) : "–") },
          { title: "Action", wide: true, show: (one) => <Deeds server={one} small /> },
        ]}
      />
    </Card>
  );
}

function Deeds({ server, small }: { server: Server; small?: boolean }) {
  const [asked, setAsked] = useState<Deed | null>(null);
  const [editing, setEditing] = useState(false);
  const manage = right("manage");
  const steer = right("steer");
  const off = server.state === "disabled";
  const button = (deed: Deed, text: string, may: boolean, why: string) => (
    <button type="button" class="small" disabled={!may} title={may ? undefined : why} onClick={() => setAsked(deed)} aria-label={`${text} ${server.name}`}>
      {text}
    </button>
  );
  return (
    <span class="deeds">
      {off ? button("enable", "Enable", manage.may, manage.why) : button("restart", "Restart", steer.may, steer.why)}
      {small ? null : (
        <>
          {off ? null : server.state === "sleeping" || server.state === "failed" ? button("start", "Start", steer.may, steer.why) : button("stop", "Stop", steer.may, steer.why)}
          {off ? null : button("disable", "Disable", manage.may, manage.why)}
          <button type="button" class="small" disabled={!manage.may} title={manage.may ? undefined : manage.why} onClick={() => setEditing(true)} aria-label={`Edit ${server.name}`}>
            Edit
          </button>
          {button("remove", "Remove", manage.may, manage.why)}
        </>
      )}
      {asked ? <Ask deed={asked} name={server.name} close={() => setAsked(null)} /> : null}
      {editing ? <ServerForm server={server} close={() => setEditing(false)} /> : null}
    </span>
  );
}

const ASKING: Record<Deed, { title: string; text: string; button: string }> = {
  restart: {
    title: "Restart",
    text: "It is started anew and takes over. Calls that run go on; sessions of clients stay.",
    button: "Restart",
  },
  stop: { title: "Stop", text: "Its processes end once their calls are done. Its tools stay listed, and its next call starts it again.", button: "Stop" },
  start: { title: "Start", text: "It is started without waiting for its next call.", button: "Start" },
  disable: { title: "Disable", text: "It is stopped, and clients no longer see its tools, until it is enabled again.", button: "Disable" },
  enable: { title: "Enable", text: "It is started, and clients see its tools.", button: "Enable" },
  remove: {
    title: "Remove",
    text: "It is stopped and its entry is gone. Values that only stood in the entry are lost.",
    button: "Remove",
  },
};

function Ask({ deed, name, close }: { deed: Deed; name: string; close: () => void }) {
  const words = ASKING[deed];
  const { snapshot } = useStore();
  const [node, setNode] = useState("");
  const all = nodes(snapshot).filter((one) => one.state !== "away");
  const doing = useDeed(async () => {
    const path = `manage/servers/${encodeURIComponent(name)}`;
    if (ORDERS.includes(deed)) await send("POST", `${path}/${deed}`, node ? { node } : {});
    else if (deed === "remove") await send("DELETE", path);
    else await send("PATCH", path, { disabled: deed === "disable" });
    await refreshNow();
  });
  const go = async () => {
    if (await doing.go()) {
      close();
      if (deed === "remove") location.hash = link("servers").slice(1);
    }
  };
  return (
    <Dialog title={`${words.title} ${name}?`} close={close}>
      <p>{words.text}</p>
      {all.length > 1 && ORDERS.includes(deed) ? (
        <p>
          <label>
            At{" "}
            <select value={node} onChange={(event) => setNode(event.currentTarget.value)}>
              <option value="">all {all.length} nodes</option>
              {all.map((one) => (
                <option key={one.id} value={one.name}>
                  {one.name}
                </option>
              ))}
            </select>
          </label>
        </p>
      ) : null}
      <Trouble error={doing.error} />
      <div class="buttons">
        <button type="button" onClick={close}>
          Cancel
        </button>
        <button type="button" class={deed === "remove" || deed === "disable" ? "danger" : "primary"} disabled={doing.busy} onClick={() => void go()}>
          {doing.busy ? "Working …" : words.button}
        </button>
      </div>
    </Dialog>
  );
}

/** How a server is at each node; nothing where there is one listener. */
function AtNodes({ name }: { name: string }) {
  const { snapshot } = useStore();
  const all = nodes(snapshot);
  if (all.length < 2) return null;
  const state = (one: NodeFacts) => (one.state === "away" ? "away" : (one.servers?.[name] ?? "not there"));
  return (
    <Card id="at-nodes" title="At each node" flush>
      <Grid
        label="Nodes"
        rows={all}
        rowKey={(one) => one.id}
        columns={[
          { title: "Node", by: (one) => one.name, show: (one) => (one.self ? `${one.name} (this one)` : one.name) },
          { title: "State there", by: state, show: (one) => <Dot tone={one.state === "away" ? "bad" : (TONES[state(one)] ?? "dim")}>{state(one)}</Dot> },
        ]}
      />
    </Card>
  );
}

function OneServer({ server }: { server: Server }) {
  const log = useAsked<{ lines: Printed[] }>("log", { server: server.name }, 5);
  const manage = right("manage");
  const lines = log.data?.lines ?? [];
  return (
    <>
      <div class="actions">
        <Dot tone={server.tone}>{server.signInNeeded ? "sign-in needed" : server.state}</Dot>
        {server.managed?.managed ? <Badge title="Added or changed over the management interface, not in the configuration file">changed here</Badge> : null}
        <Deeds server={server} />
      </div>
      {manage.may ? null : (
        <p class="dim why">
          <Said text={manage.why} />
        </p>
      )}
      {server.lastError ? (
        <div class={`trouble${server.needs ? "" : " past"}`} role={server.needs ? "alert" : undefined}>
          <strong>{server.lastError}</strong>
          {server.nextStep ? <p>Next: {server.nextStep}</p> : null}
          <p class="dim">
            {clock(server.lastFailureAt)}
            {server.consecutiveFailures ? `, ${plural(server.consecutiveFailures, "failure")} in a row` : ""}
            {server.nextRetryAt ? `, next attempt ${ago(server.nextRetryAt)}` : ""}
          </p>
        </div>
      ) : null}
      <AtNodes name={server.name} />
      <div class="columns">
        <Card title="State">
          <Facts
            rows={[
              ["Transport", server.transport],
              ["Connected", server.lastConnectedAt ? `${clock(server.lastConnectedAt)} (${ago(server.lastConnectedAt)})` : "not yet"],
              ["Time to connect", server.connectDurationMs ? ms(server.connectDurationMs) : null],
              ["Tools", `${count(server.exposedTools ?? server.toolNames.length)} of ${count(server.totalTools ?? server.toolNames.length)}`],
              ["Tools changed", server.lastToolSuiteChangeAt ? ago(server.lastToolSuiteChangeAt) : null],
              ["Calls", server.counts ? count(server.counts.calls) : "0"],
              ["Failed", server.counts ? `${count(server.counts.errors)} (${share(server.counts.errors, server.counts.calls)})` : "0"],
              ["Average", server.counts?.calls ? ms(server.counts.totalDurationMs / server.counts.calls) : null],
              ["At once", server.maxConcurrency],
            ]}
          />
        </Card>
        <Card title="What it printed" more={<span class="dim">stderr, the last lines</span>}>
          {lines.length ? (
            <Code label={`lines of ${server.name}`} text={lines.map((line) => `${line.at ? `${clock(line.at)}  ` : ""}${line.text}`).join("\n")} wrap />
          ) : (
            <Empty title="Nothing.">{server.transport && server.transport !== "stdio" ? "A server at an address prints nothing here." : "What the program writes to stderr stands here."}</Empty>
          )}
        </Card>
      </div>
      <div class="columns">
        <Card title="Tools" more={<a href={link("tools", "", { server: server.name })}>Search them</a>} flush>
          {server.toolNames.length ? (
            <ul class="names">
              {server.toolNames.slice(0, 200).map((name) => (
                <li key={name}>
                  <a href={link("tools", `${server.name}/${name}`)}>{name}</a>
                </li>
              ))}
            </ul>
          ) : (
            <Empty title="It lists no tools.">{server.state === "connected" ? "Its entry may leave all of them out (tools, denyTools)." : "They stand here once it is connected."}</Empty>
          )}
        </Card>
        <Card title="Latest" more={<a href={link("activity", "", { server: server.name })}>All of it</a>} flush>
          <Latest
            picked={(event) => event.server === server.name || event.downstreamTargets?.some((one) => one.server === server.name) === true}
            empty="No call to it and no change of its state yet."
          />
        </Card>
      </div>
      {server.managed ? (
        <Card title="Entry" more={<span class="dim">secrets are hidden</span>}>
          <Code label="entry" text={JSON.stringify(server.managed.config, null, 2)} />
        </Card>
      ) : null}
    </>
  );
}
