// What the listener sends, as far as the page reads it.

export type Right = "look" | "call" | "manage" | "steer" | "approve";

export interface Session {
  authRequired: boolean;
  signedIn: boolean;
  principal?: string | null;
  csrf?: string;
  version?: string;
  may: Partial<Record<Right, boolean>>;
  /** For each right that is missing: a sentence that says how to get it. */
  why?: Partial<Record<Right, string>>;
}

export interface Target {
  server: string;
  tool: string;
  count: number;
}

export interface Event {
  type: string;
  timestamp: string;
  /** Counts up as events come in; made by the page. */
  seq: number;
  /** Milliseconds since 1970; made by the page. */
  time: number;
  requestId?: string;
  sessionId?: string;
  principal?: string;
  client?: string;
  tool?: string;
  server?: string;
  targetTool?: string;
  downstreamTargets?: Target[];
  durationMs?: number;
  status?: string | number;
  success?: boolean;
  cacheHit?: boolean;
  error?: string;
  bytesIn?: number;
  bytesOut?: number;
  method?: string;
  path?: string;
  addedTools?: string[];
  removedTools?: string[];
  action?: string;
  by?: string;
  category?: string;
  again?: boolean;
  tools?: number;
  nextRetryMs?: number;
  limit?: string;
  rule?: string;
  answer?: string;
  how?: string;
  calls?: string[];
}

export interface ServerState {
  name: string;
  transport?: string;
  state: string;
  connectDurationMs?: number;
  totalTools?: number;
  exposedTools?: number;
  tools?: (string | { name: string })[];
  error?: string;
  lastError?: string;
  lastConnectedAt?: string;
  lastFailureAt?: string;
  consecutiveFailures?: number;
  nextRetryAt?: string;
  signInNeeded?: boolean;
  nextStep?: string;
  toolSuiteGeneration?: number;
  lastToolSuiteChangeAt?: string;
  addedTools?: string[];
  removedTools?: string[];
  maxConcurrency?: number;
}

export interface Printed {
  at?: string;
  text: string;
}

export interface ManagedServer {
  name: string;
  config: Record<string, unknown>;
  managed: boolean;
  runtime: Omit<ServerState, "name">;
  tools: string[];
}

export interface Running {
  id: string;
  requestId?: string;
  sessionId?: string;
  client?: string;
  principal?: string;
  cwd?: string;
  tool?: string;
  server?: string;
  targetTool?: string;
  timeoutMs?: number;
  startedAt: string;
  durationMs?: number;
  status?: string;
  state?: string;
  progress?: { progress?: number; total?: number; message?: string };
  downstreamTargets?: Target[];
  cancellable?: boolean;
}

export interface ClientSession {
  id: string;
  client?: string;
  clientKind?: string;
  revision?: string;
  transport?: string;
  directory?: string;
  directorySource?: string;
  principal?: string;
  profile?: string;
  startedAt?: string;
  active?: number;
}

/** A listener that is one with others. */
export interface NodeFacts {
  id: string;
  name: string;
  state: string;
  version: string;
  sessions?: number;
  /** How each server is there. */
  servers?: Record<string, string>;
  self?: boolean;
}

export interface ListenerFacts {
  cluster?: { nodes: NodeFacts[]; away?: NodeFacts[]; problem?: string };
  activeSessions?: number;
  activeToolCallCount?: number;
  [key: string]: unknown;
}

export interface Status {
  status?: string;
  servers?: ServerState[];
  failedServers?: ServerState[];
  disabledServers?: string[];
  totalTools?: number;
  toolSuiteGeneration?: number;
  cache?: Record<string, unknown>;
  responseStore?: Record<string, unknown>;
  schemaCompression?: Record<string, unknown>;
  listener?: ListenerFacts;
  maxConcurrency?: number;
}

export interface Question {
  id: string;
  client?: string;
  principal?: string;
  directory?: string;
  calls?: string[];
  /** The calls with their arguments, for those who may decide. */
  details?: Record<string, unknown>[];
  /** What may be answered beside `deny`. */
  choices?: string[];
  command?: string;
  leftSeconds?: number;
}

export interface Counts {
  calls: number;
  meta: number;
  cacheHits: number;
  errors: number;
  bytesIn: number;
  bytesOut: number;
  toonSaved: number;
}

export interface ServerCounts {
  server: string;
  calls: number;
  errors: number;
  bytesOut: number;
  totalDurationMs: number;
  lastCallAt: number;
}

export interface Metrics {
  startedAt?: number;
  totals?: Counts;
  servers?: ServerCounts[];
}

export interface Snapshot {
  generatedAt: string;
  dashboard: { enabled: boolean; path: string };
  summary: Record<string, number>;
  status: Status;
  management: { enabled: boolean; path: string };
  managementServers: ManagedServer[];
  metrics: Metrics;
  events?: Omit<Event, "seq" | "time">[];
  approvals?: Question[];
  problems?: unknown;
  eventStore?: Record<string, unknown>;
}

export interface Series extends Metrics {
  range: string;
  series: {
    range: string;
    bucketMs: number;
    from: number;
    to: number;
    points: (Counts & { t: number })[];
    totals: Counts;
  };
}

export interface Latency {
  enabled?: boolean;
  reason?: string;
  points?: { t: number; p50: number | null; p95: number | null; p99: number | null; calls?: number }[];
  totals?: { p50?: number | null; p95?: number | null; p99?: number | null };
  servers?: { server: string; p50?: number; p95?: number; p99?: number }[];
}

export interface BreakdownRow {
  name: string;
  calls: number;
  errors: number;
  avgDurationMs: number;
  bytesIn: number;
  bytesOut: number;
  lastCallAt: string | null;
}

export interface HeaderRow {
  server: string;
  tool: string;
  sessionId: string;
  principal: string;
  headerName: string;
  calls: number;
  lastSeenAt: string;
}

export interface Drilldown {
  enabled: boolean;
  reason?: string;
  totals?: Omit<BreakdownRow, "name" | "lastCallAt">;
  byServer?: BreakdownRow[];
  byTool?: BreakdownRow[];
  bySession?: BreakdownRow[];
  byTransport?: BreakdownRow[];
  forwardedHeaders?: HeaderRow[];
  store?: Record<string, unknown>;
}

export interface ToolRow {
  name: string;
  server: string;
  tool: string;
  title?: string;
  description?: string;
  readOnly?: boolean;
  destructive?: boolean;
  bytes?: number;
}

export interface Definition {
  name?: string;
  title?: string;
  description?: string;
  inputSchema?: Schema;
  outputSchema?: Schema;
  annotations?: Record<string, unknown>;
  [key: string]: unknown;
}

export interface Schema {
  type?: string | string[];
  title?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  items?: Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  $ref?: string;
  $defs?: Record<string, Schema>;
  definitions?: Record<string, Schema>;
  format?: string;
  minimum?: number;
  maximum?: number;
  examples?: unknown[];
  [key: string]: unknown;
}

export interface ToolPage {
  name: string;
  server: string;
  tool: string;
  listed?: Definition | null;
  original?: Definition | null;
}

export interface Tried {
  durationMs: number;
  status: string;
  agent: unknown;
  server: unknown;
  calls?: number;
  heard?: { server: string; tool: string; durationMs?: number; source?: string; bytes?: number }[];
  /** The JSON-RPC error that an agent would get. */
  error?: { message: string };
  requestId?: string;
}

export interface SuiteChange {
  at: string;
  server: string;
  generation?: number;
  added: { name: string; definition?: Definition }[];
  removed: { name: string; definition?: Definition }[];
  changed: { name: string; before: Definition; after: Definition }[];
  /** Of all, where not all are listed. */
  counts?: { added: number; removed: number; changed: number };
}

export interface CallRow {
  id: string | number;
  at: string;
  requestId?: string;
  tool: string;
  server?: string;
  targetTool?: string;
  sessionId?: string;
  principal?: string;
  transport?: string;
  durationMs: number;
  status: string;
  ok: boolean;
  error?: string;
  bytesIn?: number;
  bytesOut?: number;
  cacheHit?: boolean;
  calls?: number;
  targets?: Target[];
}

export interface CallTree extends Partial<CallRow> {
  client?: string;
  children?: {
    server: string;
    tool: string;
    offsetMs?: number;
    durationMs?: number;
    status?: string;
    error?: string;
    nextStep?: string;
    source?: string;
    retries?: number;
    waitedMs?: number;
  }[];
}

export interface Waiting {
  approvals?: Question[];
  signIns?: { server: string; command: string; since: string }[];
}

export interface ClientEntry {
  kind: string;
  title: string;
  /** Puts the entry into the client's file; `{url}` stands for the address. */
  command: string;
  entry: string;
  /** The same without the bridge, where the client can reach an address. */
  direct?: string;
  directCommand?: string;
  file?: string;
  reload?: string;
}
