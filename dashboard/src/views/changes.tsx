// What changed: tools that servers list, reloads of the configuration, and servers that were changed from outside.
import { useAsked } from "../asked";
import { outcome } from "../facts";
import { ago, clock, count, plural } from "../format";
import type { Definition, SuiteChange } from "../model";
import { Difference } from "../parts/difference";
import { Badge, Card, Code, Empty, Trouble } from "../parts/pieces";
import type { View } from "../page";
import { link, refine } from "../route";
import { useStore } from "../store";

export function Changes({ route }: View) {
  const { events } = useStore();
  const latest = events.findLast((event) => event.type === "tool_suite_changed" || event.type === "server_up")?.seq;
  const asked = useAsked<{ changes: SuiteChange[] }>("changes", { since: latest }, 10);
  const only = route.query.server;
  const changes = (asked.data?.changes ?? []).filter((change) => !only || change.server === only);
  const reloads = events.filter((event) => event.type === "config_reload" || event.type === "server_managed").slice(-30).reverse();
  return (
    <>
      {only ? (
        <div class="filters">
          <button type="button" class="chip" onClick={() => refine({ server: "" })} aria-label={`No longer only ${only}`}>
            server {only} <span aria-hidden="true">×</span>
          </button>
        </div>
      ) : null}
      <Trouble error={asked.error} again={asked.again} />
      <Card title="Tools that servers list" more={<span class="dim">since callmux started</span>} id="suite">
        {changes.length ? (
          <ol class="changes">
            {changes.map((change, n) => (
              <OneChange key={`${change.at} ${change.server} ${n}`} change={change} open={n === 0} />
            ))}
          </ol>
        ) : asked.waits ? (
          <p class="dim">Asking …</p>
        ) : (
          <Empty title="No server has changed what it lists.">When one does, what went, what came and what reads differently stands here, line by line.</Empty>
        )}
      </Card>
      <Card title="Reloads and changes of servers" id="reloads" flush>
        {reloads.length ? (
          <ul class="latest">
            {reloads.map((event) => (
              <li key={event.seq} class={event.success === false ? "bad" : undefined}>
                <time dateTime={event.timestamp}>{clock(event.time)}</time>
                <span>{event.type === "config_reload" ? "The configuration was read again" : event.server ? <a href={link("servers", event.server)}>{event.server}</a> : "A server"}</span>
                <span class="dim">{outcome(event)}</span>
              </li>
            ))}
          </ul>
        ) : (
          <Empty title="The configuration is as it was at the start.">An edited file is read again by itself; whether it was taken, and if not why, stands here.</Empty>
        )}
      </Card>
    </>
  );
}

function OneChange({ change, open }: { change: SuiteChange; open: boolean }) {
  const counts = change.counts ?? { added: change.added.length, removed: change.removed.length, changed: change.changed.length };
  return (
    <li>
      <details open={open}>
        <summary>
          <span>
            <a href={link("servers", change.server)}>{change.server}</a>
          </span>
          {counts.added ? <Badge tone="good">+{count(counts.added)}</Badge> : null}
          {counts.removed ? <Badge tone="bad">−{count(counts.removed)}</Badge> : null}
          {counts.changed ? <Badge tone="warn">{plural(counts.changed, "definition")} changed</Badge> : null}
          <time class="dim" dateTime={change.at} title={clock(change.at)}>
            {ago(change.at)}
          </time>
        </summary>
        <div class="inside">
          {change.changed.map((one) => (
            <div key={one.name}>
              <h3>
                <a href={link("tools", `${change.server}/${one.name}`)}>{one.name}</a>
              </h3>
              <Difference before={one.before} after={one.after} label={`what changed in ${one.name}`} />
            </div>
          ))}
          <Named title="New" tools={change.added} server={change.server} linked />
          <Named title="Gone" tools={change.removed} server={change.server} />
        </div>
      </details>
    </li>
  );
}

const MOST = 50;

function Named({ title, tools, server, linked }: { title: string; tools: { name: string; definition?: Definition }[]; server: string; linked?: boolean }) {
  if (!tools.length) return null;
  return (
    <div>
      <h3>{title}</h3>
      <ul>
        {tools.slice(0, MOST).map((tool) => (
          <li key={tool.name}>
            {tool.definition ? (
              <details>
                <summary>{tool.name}</summary>
                <Code label={`definition of ${tool.name}`} text={JSON.stringify(tool.definition, null, 2)} />
              </details>
            ) : linked ? (
              <a href={link("tools", `${server}/${tool.name}`)}>{tool.name}</a>
            ) : (
              tool.name
            )}
          </li>
        ))}
      </ul>
      {tools.length > MOST ? <p class="dim">{plural(tools.length - MOST, "more tool")}</p> : null}
    </div>
  );
}
