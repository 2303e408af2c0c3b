// What views say about servers and events, made from what the listener sends. No state of its own.
import type { Tone } from "./parts/pieces";
import type { Event, ManagedServer, NodeFacts, ServerCounts, ServerState, Snapshot } from "./model";
import { ms } from "./format";

export interface Server extends ServerState {
  tone: Tone;
  /** A person should look at it. */
  needs: boolean;
  managed?: ManagedServer;
  counts?: ServerCounts;
  toolNames: string[];
}

export const TONES: Record<string, Tone> = {
  connected: "good",
  starting: "warn",
  reconnecting: "warn",
  sleeping: "dim",
  disconnected: "bad",
  failed: "bad",
  disabled: "dim",
};

export function servers(snapshot: Snapshot | null): Server[] {
  if (!snapshot) return [];
  const { status, managementServers, metrics } = snapshot;
  const managed = new Map(managementServers.map((one) => [one.name, one]));
  const counts = new Map((metrics.servers ?? []).map((one) => [one.server, one]));
  const found = new Map<string, ServerState>();
  for (const one of [...(status.servers ?? []), ...(status.failedServers ?? [])]) found.set(one.name, one);
  for (const name of status.disabledServers ?? []) found.set(name, { name, state: "disabled" });
  for (const one of managementServers) if (!found.has(one.name)) found.set(one.name, { ...one.runtime, name: one.name });
  return [...found.values()]
    .map((one) => {
      const manager = managed.get(one.name);
      const count = counts.get(one.name);
      return {
        ...one,
        tone: TONES[one.state] ?? "dim",
        needs: one.signInNeeded === true || ["disconnected", "failed", "reconnecting"].includes(one.state),
        toolNames: (one.tools ?? manager?.tools ?? []).map((tool) => (typeof tool === "string" ? tool : tool.name)),
        ...(manager ? { managed: manager } : {}),
        ...(count ? { counts: count } : {}),
      };
    })
    .sort((a, b) => Number(b.needs) - Number(a.needs) || (a.name < b.name ? -1 : 1));
}

/** The listeners that are one, those that are away last; none where there is only this one. */
export function nodes(snapshot: Snapshot | null): NodeFacts[] {
  const cluster = snapshot?.status.listener?.cluster;
  const all = [...(cluster?.nodes ?? []), ...(cluster?.away ?? [])];
  return all.sort((a, b) => Number(a.state === "away") - Number(b.state === "away") || (a.name < b.name ? -1 : 1));
}

export const NODE_TONES: Record<string, Tone> = { up: "good", leaving: "warn", away: "bad" };

/** Whether something went wrong in an event, as the summary counts it. */
export function isError(event: Event): boolean {
  switch (event.type) {
    case "http_request": {
      const status = Number(event.status);
      const left = status === 499 && (event.path === "/mcp" || event.path === "/sse");
      return status >= 400 && !left && !(status === 404 && event.path === "/mcp");
    }
    case "tool_call":
      return event.success === false;
    case "tool_call_lifecycle":
    case "connect_failed":
    case "server_down":
    case "denied":
    case "limit_reached":
      return true;
    case "config_reload":
    case "server_managed":
      return event.success === false;
    default:
      return false;
  }
}

export function toneOf(event: Event): Tone {
  if (isError(event)) return event.type === "connect_failed" || event.type === "denied" || event.type === "limit_reached" ? "warn" : "bad";
  if (event.type === "tool_call" && event.status === "downstream_error") return "warn";
  if (event.type === "server_up") return "good";
  if (event.type === "approval_asked" || event.type === "sign_in_needed" || event.type === "call_retried") return "warn";
  return "dim";
}

export const KINDS: Record<string, string> = {
  tool_call: "call",
  tool_call_lifecycle: "given up",
  http_request: "request",
  tool_suite_changed: "tools changed",
  config_reload: "reload",
  server_up: "server up",
  server_down: "server down",
  connect_failed: "connect failed",
  call_retried: "retry",
  limit_reached: "limit",
  denied: "denied",
  approval_asked: "approval asked",
  approval_answered: "approval answered",
  sign_in_needed: "sign-in needed",
  server_managed: "server changed",
};

/** What an auditor asks for: refusals, what people decided, and what was changed. */
export const AUDITED = new Set(["denied", "limit_reached", "approval_asked", "approval_answered", "sign_in_needed", "server_managed", "config_reload", "tool_suite_changed"]);

export function targetsOf(event: Pick<Event, "downstreamTargets" | "server" | "targetTool">): string {
  const targets = event.downstreamTargets ?? [];
  if (targets.length) return targets.map((one) => `${one.server}/${one.tool}${one.count > 1 ? ` ×${one.count}` : ""}`).join(", ");
  return event.server ? `${event.server}${event.targetTool ? `/${event.targetTool}` : ""}` : "";
}

/** What an event is about, in a few words. */
export function subject(event: Event): string {
  switch (event.type) {
    case "tool_call":
    case "tool_call_lifecycle":
      return event.tool ?? "";
    case "http_request":
      return `${event.method ?? ""} ${event.path ?? ""}`;
    case "approval_asked":
    case "approval_answered":
      return (event.calls ?? []).join(", ");
    case "limit_reached":
      return event.limit ?? "";
    case "denied":
    case "call_retried":
      return [event.server, event.tool].filter(Boolean).join("/");
    case "config_reload":
      return "configuration";
    default:
      return event.server ?? "";
  }
}

/** What became of it. */
export function outcome(event: Event): string {
  switch (event.type) {
    case "tool_call":
      if (event.error) return event.error;
      return event.cacheHit ? "from the cache" : event.status === "ok" ? "ok" : String(event.status ?? "").replaceAll("_", " ");
    case "tool_call_lifecycle":
      return "the client gave up";
    case "http_request":
      return String(event.status ?? "");
    case "tool_suite_changed":
      return [
        event.addedTools?.length ? `+${event.addedTools.length}` : "",
        event.removedTools?.length ? `−${event.removedTools.length}` : "",
      ]
        .filter(Boolean)
        .join(" ") || "definitions changed";
    case "config_reload":
      return event.success === false ? (event.error ?? "refused") : "in force";
    case "server_managed":
      return `${(event.action ?? "").replaceAll("_", " ")}${event.by ? ` by ${event.by}` : ""}${event.error ? `: ${event.error}` : ""}`;
    case "server_up":
      return `${event.again ? "again " : ""}after ${ms(event.durationMs)}`;
    case "connect_failed":
      return `${event.error ?? ""}${event.nextRetryMs ? `, next attempt in ${ms(event.nextRetryMs)}` : ""}`;
    case "denied":
      return `no rule allows it${event.rule ? ` (${event.rule})` : ""}`;
    case "approval_asked":
      return event.how ?? "";
    case "approval_answered":
      return `${event.answer ?? ""}${event.how ? ` (${event.how})` : ""}`;
    default:
      return event.error ?? event.category ?? "";
  }
}

const haystacks = new WeakMap<Event, string>();

/** All words of an event, for searching. */
export function haystack(event: Event): string {
  let text = haystacks.get(event);
  if (text === undefined) {
    text = [
      KINDS[event.type] ?? event.type,
      subject(event),
      outcome(event),
      targetsOf(event),
      event.sessionId,
      event.requestId,
      event.principal,
      event.client,
      event.error,
    ]
      .join(" ")
      .toLowerCase();
    haystacks.set(event, text);
  }
  return text;
}
