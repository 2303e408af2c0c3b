// How a client is connected to this listener: one command, or an entry to paste.
import { useState } from "preact/hooks";
import { BASE } from "../address";
import type { ClientEntry } from "../model";
import { Card, Choice, Code, Field, Trouble } from "../parts/pieces";
import type { View } from "../page";
import { useReference } from "../reference";
import { refine } from "../route";
import { useStore } from "../store";

type Way = "bridge" | "direct";

export function Connect({ route }: View) {
  const { snapshot, session } = useStore();
  const reference = useReference();
  const [url, setUrl] = useState(() => address(snapshot?.dashboard.path ?? ""));
  const [way, setWay] = useState<Way>("bridge");
  const clients = reference.data?.clients ?? [];
  const chosen = clients.find((client) => client.kind === (route.query.client ?? "claude")) ?? clients[0];
  if (reference.error) return <Trouble error={reference.error} again={reference.again} />;
  if (!chosen) return <p class="waits">Asking …</p>;
  return (
    <>
      <Card>
        <div class="connect">
          <Field id="client" label="Client">
            <select id="client" value={chosen.kind} onChange={(event) => refine({ client: event.currentTarget.value })}>
              {clients.map((client) => (
                <option key={client.kind} value={client.kind}>
                  {client.title}
                </option>
              ))}
            </select>
          </Field>
          <Field id="address" label="Address of this listener" hint="As the machine of the client reaches it.">
            <input id="address" class="mono" value={url} spellcheck={false} onInput={(event) => setUrl(event.currentTarget.value)} aria-describedby="address-hint" />
          </Field>
          {chosen.direct ? (
            <Choice<Way>
              label="How it connects"
              value={way}
              onChange={setWay}
              options={[
                { value: "bridge", text: "Through the bridge" },
                { value: "direct", text: "Directly" },
              ]}
            />
          ) : null}
        </div>
        <p class="dim">
          {way === "bridge" || !chosen.direct
            ? "The client starts callmux bridge, which stays connected when the listener restarts, and sends the directory it works in."
            : "The client connects to the address itself: nothing needs to be installed beside it."}
        </p>
      </Card>
      <Entry client={chosen} url={url} way={chosen.direct ? way : "bridge"} />
      {session?.authRequired ? (
        <Card title="The token">
          <p>
            This listener asks for a credential. Through the bridge, give it once with <code>--token-file</code>: it is kept for the bridge, and never goes into the client's file. A client that connects directly sends the token of a variable: <code>--token-env NAME</code>.
          </p>
        </Card>
      ) : null}
    </>
  );
}

function Entry({ client, url, way }: { client: ClientEntry; url: string; way: Way }) {
  const filled = (text: string) => text.replaceAll("{url}", url);
  const command = filled(way === "bridge" ? client.command : (client.directCommand ?? client.command));
  const entry = filled(way === "bridge" ? client.entry : (client.direct ?? client.entry));
  return (
    <>
      <Card title="One command">
        <Code label="command" text={command} wrap />
        <p class="dim">It shows what would change first; add --yes to change it. {client.reload ?? ""}</p>
      </Card>
      <Card title="Or paste the entry" more={client.file ? <code>{client.file}</code> : null}>
        <Code label="entry" text={entry} />
      </Card>
    </>
  );
}

/** Where `/mcp` is, seen from here: the dashboard's own path may be moved by a proxy, and /mcp with it. */
function address(path: string): string {
  const here = BASE.pathname.replace(/\/$/, "");
  const own = path.replace(/\/$/, "");
  const prefix = own && here.endsWith(own) ? here.slice(0, here.length - own.length) : "";
  return `${BASE.origin}${prefix}/mcp`;
}
