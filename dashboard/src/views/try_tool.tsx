// Calls a tool: a form from its schema, then the answer as an agent would get it and as the server sent it.
import { useMemo, useState } from "preact/hooks";
import { Refused, send } from "../address";
import { useDeed } from "../asked";
import { bytes, ms } from "../format";
import type { Definition, ToolRow, Tried } from "../model";
import { Badge, Card, Choice, Code, Empty, Field, Said, Trouble } from "../parts/pieces";
import { link } from "../route";
import { argumentsOf, fieldsOf, type FormField } from "../schema";
import { right } from "../store";

export function TryTool({ tool, definition }: { tool: ToolRow; definition: Definition }) {
  const fields = useMemo(() => fieldsOf(definition.inputSchema), [definition]);
  const [way, setWay] = useState<"form" | "json">(fields ? "form" : "json");
  const [texts, setTexts] = useState<Record<string, string>>({});
  const [json, setJson] = useState("{}");
  const [tried, setTried] = useState<Tried | null>(null);
  const call = right("call");
  const doing = useDeed(async () => {
    setTried(await send<Tried>("POST", "call", { name: tool.name, arguments: given() }));
  });
  const given = (): unknown => {
    try {
      if (way === "form" && fields) return argumentsOf(fields, texts);
      const value: unknown = JSON.parse(json || "{}");
      if (value && typeof value === "object" && !Array.isArray(value)) return value;
    } catch (error) {
      throw new Refused(0, error instanceof Error ? error.message : String(error));
    }
    throw new Refused(0, "Arguments are one JSON object.");
  };
  return (
    <Card
      title="Try it"
      id="try"
      more={
        fields?.length ? (
          <Choice
            label="How to write the arguments"
            value={way}
            onChange={(next) => {
              if (next === "json" && fields) {
                try {
                  setJson(JSON.stringify(argumentsOf(fields, texts), null, 2));
                } catch {
                  /* What does not fit yet is left out. */
                }
              }
              setWay(next);
            }}
            options={[
              { value: "form", text: "Form" },
              { value: "json", text: "JSON" },
            ]}
          />
        ) : null
      }
    >
      <div class="try">
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void doing.go();
          }}
        >
          {way === "form" && fields ? (
            fields.length ? (
              fields.map((field) => (
                <ArgumentField key={field.name} field={field} value={texts[field.name] ?? ""} onChange={(text) => setTexts((old) => ({ ...old, [field.name]: text }))} />
              ))
            ) : (
              <p class="dim">It takes no arguments.</p>
            )
          ) : (
            <Field id="try-json" label="Arguments" hint="One JSON object.">
              <textarea id="try-json" class="mono" rows={8} value={json} spellcheck={false} onInput={(event) => setJson(event.currentTarget.value)} aria-describedby="try-json-hint" />
            </Field>
          )}
          <Trouble error={doing.error} />
          <div class="actions left">
            <button type="submit" class="primary" disabled={!call.may || doing.busy} aria-describedby={call.may ? undefined : "why-call"}>
              {doing.busy ? "Calling …" : "Call it"}
            </button>
            {tool.readOnly ? null : <span class="dim">It may change things: it really runs.</span>}
          </div>
          {call.may ? null : (
            <p class="dim why" id="why-call">
              <Said text={call.why} />
            </p>
          )}
        </form>
        <div class="answer" aria-live="polite">
          {tried ? <Answer tried={tried} /> : <Empty title="No answer yet.">What the tool answers stands here, as an agent would see it.</Empty>}
        </div>
      </div>
    </Card>
  );
}

function ArgumentField({ field, value, onChange }: { field: FormField; value: string; onChange: (text: string) => void }) {
  const id = `argument-${field.name}`;
  const shared = { id, "aria-describedby": field.hint ? `${id}-hint` : undefined, "aria-required": field.required || undefined };
  let input;
  if (field.kind === "boolean" || field.kind === "choice") {
    const choices = field.kind === "boolean" ? [["true", "yes"], ["false", "no"]] : field.choices.map((choice, n) => [String(n), typeof choice === "string" ? choice : JSON.stringify(choice)]);
    input = (
      <select {...shared} value={value} onChange={(event) => onChange(event.currentTarget.value)}>
        <option value="">–</option>
        {choices.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
    );
  } else if (field.kind === "text" || field.kind === "number") {
    input = (
      <input
        {...shared}
        type="text"
        inputMode={field.kind === "number" ? "decimal" : undefined}
        autoComplete="off"
        spellcheck={false}
        value={value}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
    );
  } else {
    input = <textarea {...shared} class={field.kind === "json" ? "mono" : undefined} rows={field.kind === "long" ? 2 : 3} spellcheck={false} value={value} onInput={(event) => onChange(event.currentTarget.value)} />;
  }
  return (
    <Field id={id} label={field.title} hint={field.hint || undefined} required={field.required}>
      {input}
    </Field>
  );
}

function Answer({ tried }: { tried: Tried }) {
  const [side, setSide] = useState<"agent" | "server">("agent");
  const shown = side === "agent" ? tried.agent : tried.server;
  const failed = tried.status !== "ok";
  return (
    <>
      <div class="actions left">
        <Badge tone={failed ? "bad" : "good"}>{failed ? tried.status.replaceAll("_", " ") : "ok"}</Badge>
        <span class="dim">
          {ms(tried.durationMs)}
          {tried.agent ? `, ${bytes(size(tried.agent))} for the agent` : ""}
          {sentBy(tried) ? `, ${bytes(sentBy(tried))} from the server` : ""}
        </span>
        {tried.requestId ? <a href={link("calls", tried.requestId)}>Call</a> : null}
      </div>
      {tried.error ? (
        <div class="trouble">
          <strong>{tried.error.message}</strong>
        </div>
      ) : null}
      <Choice
        label="Whose view"
        value={side}
        onChange={setSide}
        options={[
          { value: "agent", text: "As the agent sees it" },
          { value: "server", text: "As the server sent it" },
        ]}
      />
      {side === "server" && tooLarge(tried.server) ? (
        <Empty title={`The answer of the server has ${bytes(sentBy(tried))}.`}>That is too much to show here.</Empty>
      ) : shown ? (
        <Result value={shown} />
      ) : (
        <Empty title={side === "agent" ? "There is no answer." : (tried.calls ?? 0) > 1 ? "Several servers answered." : "No server sent anything for it."}>
          {tried.heard?.length ? tried.heard.map((one) => `${one.server}/${one.tool}: ${bytes(one.bytes)} in ${ms(one.durationMs)}${one.source && one.source !== "server" ? ` (${one.source})` : ""}`).join("; ") : null}
        </Empty>
      )}
    </>
  );
}

interface Block {
  type?: string;
  text?: string;
  data?: string;
  mimeType?: string;
}

const MOST = 200_000;

function Result({ value }: { value: unknown }) {
  const result = (value && typeof value === "object" ? value : {}) as { content?: Block[]; structuredContent?: unknown };
  const blocks = Array.isArray(result.content) ? result.content : [];
  return (
    <div class="result">
      {blocks.map((block, n) =>
        block.type === "text" && typeof block.text === "string" ? (
          <Code key={n} label={`text ${n + 1}`} text={cut(pretty(block.text))} wrap />
        ) : block.type === "image" && block.data && /^image\/(png|jpeg|gif|webp)$/.test(block.mimeType ?? "") ? (
          <img key={n} src={`data:${block.mimeType};base64,${block.data}`} alt={`Image ${n + 1} of the answer`} />
        ) : (
          <Code key={n} label={`${block.type ?? "block"} ${n + 1}`} text={cut(JSON.stringify(block, null, 2))} />
        ),
      )}
      {result.structuredContent !== undefined ? (
        <>
          <h3>Structured content</h3>
          <Code label="structured content" text={cut(JSON.stringify(result.structuredContent, null, 2))} />
        </>
      ) : null}
      <details open={!blocks.length}>
        <summary>The whole answer</summary>
        <Code label="whole answer" text={cut(JSON.stringify(value, null, 2))} />
      </details>
    </div>
  );
}

function pretty(text: string): string {
  if (text.length > MOST || !/^\s*[[{]/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function cut(text: string): string {
  return text.length > MOST ? `${text.slice(0, MOST)}\n… ${bytes(text.length - MOST)} more` : text;
}

function tooLarge(value: unknown): boolean {
  return value !== null && typeof value === "object" && "tooLarge" in value;
}

/** Bytes that servers sent. */
function sentBy({ server, heard }: Tried): number {
  if (heard?.length) return heard.reduce((sum, one) => sum + (one.bytes ?? 0), 0);
  return server ? size(server) : 0;
}

function size(value: unknown): number {
  return new Blob([JSON.stringify(value)]).size;
}
