// All tools, and one of them: what it says of itself, its changes, and a form to try it.
import { useMemo, useState } from "preact/hooks";
import { useAsked } from "../asked";
import { bytes, plural } from "../format";
import type { SuiteChange, ToolPage, ToolRow } from "../model";
import { Difference } from "../parts/difference";
import { LongList } from "../parts/long_list";
import { Badge, Card, Choice, Code, Empty, Facts, Trouble } from "../parts/pieces";
import type { View } from "../page";
import { link, refine, type Query } from "../route";
import { useStore } from "../store";
import { Latest } from "./latest";
import { TryTool } from "./try_tool";

export function Tools({ route }: View) {
  const { snapshot } = useStore();
  const generation = snapshot?.status.toolSuiteGeneration ?? 0;
  const tools = useAsked<{ tools: ToolRow[] }>("tools", { generation });
  const rows = tools.data?.tools ?? [];
  if (tools.error && !tools.data) return <Trouble error={tools.error} again={tools.again} />;
  if (!tools.data) return <p class="waits">Asking for the tools …</p>;
  if (route.part) {
    const one = rows.find((tool) => tool.name === route.part || `${tool.server}/${tool.tool}` === route.part);
    return one ? <OneTool key={one.name} tool={one} generation={generation} /> : <Gone name={route.part} />;
  }
  return <AllTools rows={rows} query={route.query} />;
}

function Gone({ name }: { name: string }) {
  return (
    <Card>
      <Empty title={`No server lists "${name}" now.`}>
        See what has changed under <a href={link("changes")}>Changes</a>, or go back to <a href={link("tools")}>all tools</a>.
      </Empty>
    </Card>
  );
}

function AllTools({ rows, query }: { rows: ToolRow[]; query: Query }) {
  const owners = useMemo(() => [...new Set(rows.map((tool) => tool.server))].sort(), [rows]);
  const wanted = (query.q ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const found = useMemo(
    () =>
      rows.filter((tool) => {
        if (query.server !== undefined && tool.server !== (query.server === "callmux" ? "" : query.server)) return false;
        const text = `${tool.name} ${tool.title ?? ""} ${tool.description ?? ""}`.toLowerCase();
        return wanted.every((word) => text.includes(word));
      }),
    [rows, query.server, query.q],
  );
  return (
    <>
      <div class="filters" role="search">
        <input type="search" aria-label="Search tools" placeholder="Search by name or words" value={query.q ?? ""} onInput={(event) => refine({ q: event.currentTarget.value })} />
        <select aria-label="Server" value={query.server ?? ""} onChange={(event) => refine({ server: event.currentTarget.value })}>
          <option value="">All servers</option>
          {owners.map((owner) => (
            <option key={owner} value={owner || "callmux"}>
              {owner || "callmux itself"}
            </option>
          ))}
        </select>
        <span class="dim" role="status">
          {plural(found.length, "tool")}
        </span>
      </div>
      <LongList
        id="tools"
        label="Tools"
        rows={found}
        href={(tool) => link("tools", tool.name, { q: "", server: "" })}
        empty={
          rows.length ? (
            <Empty title="No tool is like that.">Take a filter away.</Empty>
          ) : (
            <Empty title="There are no tools yet.">
              They come from <a href={link("servers")}>servers</a>: add one, or see why one is not connected.
            </Empty>
          )
        }
        columns={[
          { key: "name", title: "Tool", width: "minmax(9rem, 1.1fr)", show: (tool) => tool.name, under: firstLine },
          { key: "what", title: "What it does", width: "minmax(0, 2fr)", wide: true, show: (tool) => <span class="dim">{firstLine(tool)}</span> },
          { key: "flags", title: "Effect", width: "6.4rem", show: (tool) => <Flags tool={tool} /> },
          { key: "size", title: "Size", width: "4.4rem", right: true, wide: true, show: (tool) => bytes(tool.bytes) },
        ]}
      />
    </>
  );
}

function firstLine(tool: ToolRow): string {
  return (tool.description ?? tool.title ?? "").split("\n", 1)[0] ?? "";
}

function Flags({ tool }: { tool: ToolRow }) {
  if (tool.readOnly) return <Badge title="It says that it changes nothing">reads only</Badge>;
  if (tool.destructive) return <Badge tone="warn" title="It says that it may destroy something">destructive</Badge>;
  return null;
}

function OneTool({ tool, generation }: { tool: ToolRow; generation: number }) {
  const page = useAsked<ToolPage>("tool", { name: tool.name, generation });
  const [side, setSide] = useState<"listed" | "original">("listed");
  const listed = page.data?.listed ?? page.data?.original ?? null;
  const shown = (side === "listed" ? page.data?.listed : page.data?.original) ?? null;
  return (
    <>
      <div class="actions left">
        {tool.server ? (
          <span>
            Server <a href={link("servers", tool.server)}>{tool.server}</a>
          </span>
        ) : (
          <span class="dim">A tool of callmux itself</span>
        )}
        <Flags tool={tool} />
      </div>
      <p class="description">{listed?.description ?? tool.description ?? "It says nothing about itself."}</p>
      <Trouble error={page.error} again={page.again} />
      {listed ? <TryTool tool={tool} definition={listed} /> : page.error ? null : <p class="waits">Asking for its definition …</p>}
      <div class="columns">
        <Card
          title="Definition"
          more={
            <Choice
              label="Which definition"
              value={side}
              onChange={setSide}
              options={[
                { value: "listed", text: "As clients see it" },
                { value: "original", text: "As the server listed it" },
              ]}
            />
          }
        >
          {shown ? (
            <>
              <Facts
                rows={[
                  ["Name", shown.name],
                  ["Title", shown.title],
                  ["Size", bytes(new Blob([JSON.stringify(shown)]).size)],
                ]}
              />
              <Code label="definition" text={JSON.stringify(shown, null, 2)} />
            </>
          ) : (
            <Empty title={side === "original" ? "callmux made this definition itself." : "Clients do not see it."} />
          )}
        </Card>
        <Card title="Latest calls" more={<a href={link("activity", "", { q: tool.tool, kind: "tool_call" })}>All of them</a>} flush>
          <Latest
            picked={(event) =>
              event.tool === tool.name || event.downstreamTargets?.some((one) => one.tool === tool.tool && one.server === tool.server) === true
            }
            empty="Nobody has called it lately."
          />
        </Card>
      </div>
      <ToolChanges tool={tool} generation={generation} />
    </>
  );
}

function ToolChanges({ tool, generation }: { tool: ToolRow; generation: number }) {
  const changes = useAsked<{ changes: SuiteChange[] }>("changes", { generation });
  const own = (changes.data?.changes ?? [])
    .filter((change) => change.server === tool.server)
    .flatMap((change) => change.changed.filter((one) => one.name === tool.tool).map((one) => ({ ...one, at: change.at })));
  if (!own.length) return null;
  return (
    <Card title={`${plural(own.length, "changed definition")} since callmux started`}>
      {own.map((one) => (
        <Difference key={one.at} before={one.before} after={one.after} label={`changes of ${tool.name}`} />
      ))}
    </Card>
  );
}
