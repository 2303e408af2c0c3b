// Adds a server, or changes the entry of one.
import { useState } from "preact/hooks";
import { Refused, send } from "../address";
import { useDeed } from "../asked";
import type { Server } from "../facts";
import { Choice, Dialog, Field, Trouble } from "../parts/pieces";
import { link } from "../route";
import { refreshNow } from "../store";
import { joined, pairs, split, unpaired } from "../words";

type Kind = "command" | "url" | "json";
type Entry = Record<string, unknown>;

const PLAIN = { command: ["command", "args", "env", "cwd"], url: ["url", "headers", "transport"] };

export function ServerForm({ server, close }: { server?: Server; close: () => void }) {
  const before = (server?.managed?.config ?? {}) as Entry;
  const [kind, setKind] = useState<Kind>(server ? kindOf(before) : "command");
  const [name, setName] = useState(server?.name ?? "");
  const [line, setLine] = useState(joined([text(before.command), ...list(before.args)].filter(Boolean)));
  const [env, setEnv] = useState(unpaired(before.env, "="));
  const [cwd, setCwd] = useState(text(before.cwd));
  const [url, setUrl] = useState(text(before.url));
  const [headers, setHeaders] = useState(unpaired(before.headers, ": "));
  const [json, setJson] = useState(JSON.stringify(server ? before : { command: "npx", args: ["-y", "PACKAGE"] }, null, 2));
  const [checked, setChecked] = useState("");

  const entry = (): Entry => {
    if (kind === "json") {
      try {
        const value: unknown = JSON.parse(json);
        if (value && typeof value === "object" && !Array.isArray(value)) return value as Entry;
      } catch (error) {
        throw new Refused(0, `This is no JSON: ${error instanceof Error ? error.message : error}`);
      }
      throw new Refused(0, "The entry must be one JSON object.");
    }
    const own = [...PLAIN.command, ...PLAIN.url];
    const kept = Object.fromEntries(Object.entries(before).filter(([key]) => !own.includes(key)));
    if (kind === "command") {
      const words = split(line);
      if (!words.length) throw new Refused(0, "Write the command that starts the server.");
      const made: Entry = { ...kept, command: words[0] };
      if (words.length > 1) made.args = words.slice(1);
      const variables = pairs(env, "=");
      if (Object.keys(variables).length) made.env = variables;
      if (cwd.trim()) made.cwd = cwd.trim();
      return made;
    }
    if (!url.trim()) throw new Refused(0, "Write the address of the server.");
    const made: Entry = { ...kept, url: url.trim() };
    if (before.transport !== undefined) made.transport = before.transport;
    const sent = pairs(headers, ":");
    if (Object.keys(sent).length) made.headers = sent;
    return made;
  };

  const save = async (dryRun: boolean) => {
    const body = { config: entry(), ...(dryRun ? { dryRun: true } : {}) };
    setChecked("");
    if (server) await send("PATCH", `manage/servers/${encodeURIComponent(server.name)}`, body);
    else {
      if (!name.trim()) throw new Refused(0, "Give the server a name.");
      await send("POST", "manage/servers", { name: name.trim(), ...body });
    }
    if (dryRun) setChecked("callmux would take this entry. Nothing was started.");
    else await refreshNow();
  };
  const doing = useDeed(save);

  const submit = async (event: Event) => {
    event.preventDefault();
    if (await doing.go(false)) {
      close();
      if (!server) location.hash = link("servers", name.trim(), { add: "" }).slice(1);
    }
  };

  return (
    <Dialog title={server ? `Edit ${server.name}` : "Add a server"} close={close} wide>
      <form onSubmit={(event) => void submit(event)}>
        {server ? null : (
          <Field id="server-name" label="Name" required hint="Its tools are listed as NAME__TOOL where there are several servers.">
            <input id="server-name" value={name} autoComplete="off" spellcheck={false} onInput={(event) => setName(event.currentTarget.value)} aria-describedby="server-name-hint" />
          </Field>
        )}
        <Choice<Kind>
          label="What it is"
          value={kind}
          onChange={(next) => {
            if (next === "json") {
              try {
                setJson(JSON.stringify(entry(), null, 2));
              } catch {
                /* What was written before stays. */
              }
            }
            setKind(next);
          }}
          options={[
            { value: "command", text: "A program" },
            { value: "url", text: "An address" },
            { value: "json", text: "Entry as JSON" },
          ]}
        />
        {kind === "command" ? (
          <>
            <Field id="server-command" label="Command" required hint="As in a shell, quotes included. callmux starts it without a shell.">
              <input id="server-command" class="mono" value={line} placeholder="npx -y @modelcontextprotocol/server-memory" autoComplete="off" spellcheck={false} onInput={(event) => setLine(event.currentTarget.value)} aria-describedby="server-command-hint" />
            </Field>
            <Field id="server-env" label="Variables" hint="One NAME=value a line. For a secret write a reference: NAME=${TOKEN}.">
              <textarea id="server-env" class="mono" rows={3} value={env} spellcheck={false} onInput={(event) => setEnv(event.currentTarget.value)} aria-describedby="server-env-hint" />
            </Field>
            <Field id="server-cwd" label="Directory" hint="Where it runs; empty for that of callmux.">
              <input id="server-cwd" class="mono" value={cwd} autoComplete="off" spellcheck={false} onInput={(event) => setCwd(event.currentTarget.value)} aria-describedby="server-cwd-hint" />
            </Field>
          </>
        ) : kind === "url" ? (
          <>
            <Field id="server-url" label="Address" required hint="Streamable HTTP, or legacy SSE where it speaks only that.">
              <input id="server-url" class="mono" type="url" value={url} placeholder="https://example.com/mcp" autoComplete="off" spellcheck={false} onInput={(event) => setUrl(event.currentTarget.value)} aria-describedby="server-url-hint" />
            </Field>
            <Field id="server-headers" label="Headers" hint="One Name: value a line. For a secret write a reference: Authorization: Bearer ${TOKEN}.">
              <textarea id="server-headers" class="mono" rows={3} value={headers} spellcheck={false} onInput={(event) => setHeaders(event.currentTarget.value)} aria-describedby="server-headers-hint" />
            </Field>
          </>
        ) : (
          <Field id="server-json" label="Entry" required hint="What would stand under the server's name in the configuration file. [redacted] stays as it is.">
            <textarea id="server-json" class="mono" rows={14} value={json} spellcheck={false} onInput={(event) => setJson(event.currentTarget.value)} aria-describedby="server-json-hint" />
          </Field>
        )}
        <Trouble error={doing.error} />
        <p class="good-news" role="status">
          {checked}
        </p>
        <div class="buttons">
          <button type="button" onClick={close}>
            Cancel
          </button>
          <button type="button" disabled={doing.busy} onClick={() => void doing.go(true)}>
            Check
          </button>
          <button type="submit" class="primary" disabled={doing.busy}>
            {doing.busy ? "Starting it …" : server ? "Save" : "Add"}
          </button>
        </div>
      </form>
    </Dialog>
  );
}

function kindOf(entry: Entry): Kind {
  return typeof entry.url === "string" ? "url" : typeof entry.command === "string" ? "command" : "json";
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function list(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
