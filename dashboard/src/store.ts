// What the page knows: who looks, the last snapshot, the events that are kept, and whether it is up to date.
// Views read it through `useStore`; events that come at once are told at once, a few times a second.
import { useEffect, useState } from "preact/hooks";
import { BASE, Refused, get, keepToken, send } from "./address";
import { haystack } from "./facts";
import type { Event, Right, Session, Snapshot } from "./model";

export const MOST_EVENTS = 12_000;
const PIECE = 1000;
const FLUSH_MS = 250;
const REFRESH_MS = 10_000;
const SOON_MS = 400;
const AGAIN_MS = 3000;
/** Events after which servers, tools or sessions are not as they were. */
const TELLING = new Set([
  "server_up",
  "server_down",
  "connect_failed",
  "config_reload",
  "server_managed",
  "tool_suite_changed",
  "approval_asked",
  "approval_answered",
  "sign_in_needed",
]);

export type Link = "connecting" | "live" | "lost";
type RawEvent = Omit<Event, "seq" | "time">;

export const store = {
  session: null as Session | null,
  snapshot: null as Snapshot | null,
  /** Oldest first. */
  events: [] as Event[],
  /** Counts up with every change of `events`. */
  edition: 0,
  link: "connecting" as Link,
  trouble: null as Refused | null,
  /** The older events are still being fetched. */
  filling: false,
};

const listeners = new Set<() => void>();
let pending: Event[] = [];
let lastSeq = 0;
let firstSeq = 0;
let source: EventSource | null = null;
let flushTimer = 0;
let refreshTimer = 0;
let refreshDue = 0;
let generation = 0;
// Ends the requests of one generation.
let asking = new AbortController();

function changed(): void {
  for (const listener of [...listeners]) listener();
}

/** Draws the component again whenever something has changed. */
export function useStore(): typeof store {
  const [, draw] = useState(0);
  useEffect(() => {
    const listener = () => draw((n) => n + 1);
    listeners.add(listener);
    return () => void listeners.delete(listener);
  }, []);
  return store;
}

/** Begins, or begins anew after somebody has signed in or out. */
export async function start(): Promise<void> {
  const mine = ++generation;
  stop();
  try {
    const session = await get<Session>("session");
    if (mine !== generation) return;
    took(session);
  } catch (error) {
    if (mine !== generation) return;
    store.trouble = asRefused(error);
    store.link = "lost";
    changed();
    window.setTimeout(() => mine === generation && void start(), AGAIN_MS);
    return;
  }
  if (store.session?.signedIn || !store.session?.authRequired) open(mine);
  else store.link = "lost";
  changed();
}

export function took(session: Session): void {
  store.session = session;
  store.trouble = null;
  keepToken(session.csrf, renew);
  changed();
}

async function renew(): Promise<void> {
  took(await get<Session>("session"));
}

function stop(): void {
  source?.close();
  source = null;
  asking.abort();
  asking = new AbortController();
  clearTimeout(refreshTimer);
  clearTimeout(flushTimer);
  flushTimer = 0;
}

function open(mine: number): void {
  store.link = "connecting";
  source = new EventSource(new URL("events?events=0", BASE));
  source.addEventListener("snapshot", (message) => {
    if (mine !== generation) return;
    store.link = "live";
    store.trouble = null;
    begin(JSON.parse((message as MessageEvent<string>).data) as Snapshot, mine);
  });
  source.onmessage = (message: MessageEvent<string>) => {
    if (mine !== generation) return;
    const event = JSON.parse(message.data) as RawEvent;
    if (event.type === "stream_reset") {
      void refresh(mine, true);
      return;
    }
    pending.push(dated(event, ++lastSeq));
    if (!flushTimer) flushTimer = window.setTimeout(flush, FLUSH_MS);
    if (TELLING.has(event.type)) refreshSoon(mine);
  };
  source.onerror = () => {
    if (mine !== generation) return;
    store.link = "lost";
    changed();
    if (source?.readyState === EventSource.CLOSED) {
      // It does not try again by itself: perhaps whoever looks must sign in anew.
      window.setTimeout(() => mine === generation && void start(), AGAIN_MS);
    }
  };
}

function begin(snapshot: Snapshot, mine: number): void {
  store.snapshot = snapshot;
  pending = [];
  store.events = (snapshot.events ?? []).map((event) => dated(event, ++lastSeq));
  delete snapshot.events;
  store.edition += 1;
  if (!store.events.length) {
    firstSeq = lastSeq;
    void fill(mine);
  }
  refreshDue = 0;
  later(mine);
  changed();
}

/** Fetches what happened before, piece by piece, so that the page never stands still. */
async function fill(mine: number): Promise<void> {
  // What comes after the snapshot comes over the stream.
  let before: number | null | undefined = store.snapshot?.summary.totalEvents;
  const known = store.events;
  store.filling = true;
  try {
    do {
      const query: Record<string, number> = { limit: PIECE };
      if (before !== undefined && before !== null) query.before = before;
      const piece = await get<{ events: RawEvent[]; next?: number | null }>("recent", query, asking.signal);
      if (mine !== generation || store.events !== known) return;
      // Newest first.
      const older = piece.events.reverse();
      const first = firstSeq - older.length;
      const events = older.map((event, n) => dated(event, first + n + 1));
      // Searching is then quick from the first letter on.
      events.forEach(haystack);
      known.unshift(...events);
      firstSeq = first;
      store.edition += 1;
      before = piece.next;
      changed();
      await new Promise((go) => setTimeout(go, 0));
    } while (before !== null && before !== undefined && known.length < MOST_EVENTS);
  } catch (error) {
    if (mine === generation) store.trouble = asRefused(error);
  } finally {
    if (mine === generation) {
      store.filling = false;
      changed();
    }
  }
}

function dated(event: RawEvent, seq: number): Event {
  return Object.assign(event, { seq, time: Date.parse(event.timestamp) });
}

function flush(): void {
  flushTimer = 0;
  if (!pending.length) return;
  pending.forEach(haystack);
  store.events.push(...pending);
  pending = [];
  if (store.events.length > MOST_EVENTS) store.events.splice(0, store.events.length - MOST_EVENTS);
  store.edition += 1;
  changed();
}

function later(mine: number): void {
  clearTimeout(refreshTimer);
  refreshTimer = window.setTimeout(() => {
    if (document.hidden) later(mine);
    else void refresh(mine);
  }, REFRESH_MS);
}

function refreshSoon(mine: number): void {
  if (refreshDue) return;
  refreshDue = window.setTimeout(() => {
    refreshDue = 0;
    if (mine === generation) void refresh(mine);
  }, SOON_MS);
}

async function refresh(mine: number, anew = false): Promise<void> {
  try {
    const snapshot = await get<Snapshot>("data", { events: 0 }, asking.signal);
    if (mine !== generation) return;
    if (anew) begin(snapshot, mine);
    else {
      delete snapshot.events;
      store.snapshot = snapshot;
    }
    store.trouble = null;
    changed();
  } catch (error) {
    if (mine !== generation) return;
    const refused = asRefused(error);
    if (refused.status === 401) {
      void start();
      return;
    }
    store.trouble = refused;
    changed();
  }
  later(mine);
}

/** Whether whoever looks may do something, and why not. */
export function right(which: Right): { may: boolean; why: string } {
  const session = store.session;
  return { may: session?.may[which] === true, why: session?.why?.[which] ?? "You may not do this here." };
}

/** Fetches the snapshot now, after something was changed here. */
export function refreshNow(): Promise<void> {
  return refresh(generation);
}

export async function signIn(token: string): Promise<void> {
  took(await send<Session>("POST", "sign-in", { token }));
  await start();
}

export async function signOut(): Promise<void> {
  // First nothing is asked for any more: the views go with the snapshot, and a request on its way would be refused.
  generation += 1;
  stop();
  store.snapshot = null;
  store.events = [];
  changed();
  try {
    await send("POST", "sign-out");
  } finally {
    await start();
  }
}

export function asRefused(error: unknown): Refused {
  return error instanceof Refused ? error : new Refused(0, error instanceof Error ? error.message : String(error));
}
