// The frame around all views: navigation, the state of the link, the range, who is signed in.
import type { ComponentChildren, ComponentType } from "preact";
import { useEffect, useErrorBoundary, useRef, useState } from "preact/hooks";
import { servers } from "./facts";
import { clock } from "./format";
import { Trouble } from "./parts/pieces";
import type { Session } from "./model";
import { link, refine, useRoute, type Route } from "./route";
import { signOut, store, useStore } from "./store";
import { useTheme, type Theme } from "./theme";
import { Activity } from "./views/activity";
import { Call } from "./views/call";
import { Changes } from "./views/changes";
import { Connect } from "./views/connect";
import { Errors } from "./views/errors";
import { History } from "./views/history";
import { Live } from "./views/live";
import { Overview } from "./views/overview";
import { Servers } from "./views/servers";
import { Sessions } from "./views/sessions";
import { SignIn, SignInDialog } from "./views/sign_in";
import { Tools } from "./views/tools";
import { Waiting } from "./views/waiting";

export interface View {
  route: Route;
  theme: Theme;
}

interface Place {
  view: string;
  title: string;
  show: ComponentType<View>;
  /** A number beside its name: of what a person should look at. */
  badge?: () => number;
  /** It shows a range of time. */
  ranged?: boolean;
  /** Reached from other views only. */
  aside?: boolean;
}

const VIEWS: Place[] = [
  { view: "overview", title: "Overview", show: Overview, ranged: true },
  { view: "servers", title: "Servers", show: Servers, badge: () => servers(store.snapshot).filter((one) => one.needs).length },
  { view: "tools", title: "Tools", show: Tools },
  { view: "live", title: "Live", show: Live },
  { view: "sessions", title: "Sessions", show: Sessions },
  { view: "activity", title: "Activity", show: Activity },
  { view: "history", title: "History", show: History, ranged: true },
  { view: "errors", title: "Errors", show: Errors },
  { view: "changes", title: "Changes", show: Changes },
  { view: "waiting", title: "Waiting", show: Waiting, badge: waiting },
  { view: "connect", title: "Connect", show: Connect },
  { view: "calls", title: "Call", show: Call, aside: true },
];

/** Whether another credential would give more. */
function lacks({ may, signedIn }: Session, managed: boolean): boolean {
  return signedIn ? may.call === false || (managed && may.manage === false) : Object.values(may).includes(false);
}

function waiting(): number {
  const { approvals = [] } = store.snapshot ?? {};
  return approvals.length + servers(store.snapshot).filter((one) => one.signInNeeded).length;
}

const RANGES = [
  { value: "1h", text: "Last hour" },
  { value: "today", text: "Today" },
  { value: "yesterday", text: "Yesterday" },
  { value: "7d", text: "7 days" },
  { value: "30d", text: "30 days" },
];

export function Page() {
  const { session, snapshot, link: state, trouble } = useStore();
  const route = useRoute();
  const [theme, turn] = useTheme();
  const known = VIEWS.find((one) => one.view === route.view) ?? VIEWS[0]!;
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const [entering, setEntering] = useState(false);
  useEffect(() => {
    document.title = `${route.part || known.title} · callmux`;
    // Whoever uses the keyboard goes on at the new view.
    if (first.current) first.current = false;
    else main.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
    // On a phone the names of the views are wider than the screen.
    const names = document.querySelector("nav");
    const here = names?.querySelector<HTMLElement>('[aria-current="page"]');
    if (names && here) names.scrollLeft = here.offsetLeft - (names.clientWidth - here.offsetWidth) / 2;
  }, [known.view, route.part]);
  if (session && session.authRequired && !session.signedIn) return <SignIn theme={theme} turn={turn} />;
  const Shown = known.show;
  return (
    <div class="frame">
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), main.current?.focus())}>
        Skip to the content
      </a>
      <aside class="side">
        <a class="brand" href={link("overview")}>
          <Mark /> callmux
        </a>
        <nav aria-label="Views">
          <ul>
            {VIEWS.filter((one) => !one.aside).map((one) => {
              const n = one.badge?.() ?? 0;
              return (
                <li key={one.view}>
                  <a href={link(one.view)} aria-current={one === known ? "page" : undefined}>
                    {one.title}
                    {n ? <span class="count">{n}</span> : null}
                  </a>
                </li>
              );
            })}
          </ul>
        </nav>
        <footer class="foot">
          {session?.version ? <span>callmux {session.version}</span> : null}
        </footer>
      </aside>
      <div class="over">
        <header class="bar">
          <h1>{route.part && known.view === route.view ? <Trail view={known.view} title={known.title} part={route.part} /> : known.title}</h1>
          <div class="tools">
            {known.ranged ? (
              <select
                aria-label="Time range"
                value={route.query.range ?? "1h"}
                onChange={(event) => refine({ range: event.currentTarget.value === "1h" ? "" : event.currentTarget.value })}
              >
                {RANGES.map((range) => (
                  <option key={range.value} value={range.value}>
                    {range.text}
                  </option>
                ))}
              </select>
            ) : null}
            <LinkState state={state} at={snapshot?.generatedAt} />
            <button type="button" class="plain" onClick={turn} aria-label={theme === "dark" ? "Use the light theme" : "Use the dark theme"}>
              <Moon />
            </button>
            {session && lacks(session, snapshot?.management.enabled === true) ? (
              <button type="button" onClick={() => setEntering(true)}>
                {session.signedIn ? "Add a token" : "Sign in"}
              </button>
            ) : null}
            {session?.signedIn ? (
              <button type="button" onClick={() => void signOut()} title={session.principal ?? undefined}>
                Sign out
              </button>
            ) : null}
          </div>
        </header>
        {entering ? <SignInDialog close={() => setEntering(false)} /> : null}
        <main ref={main} id="main" tabIndex={-1}>
          {trouble && state === "lost" ? <Trouble error={trouble} /> : null}
          {snapshot ? (
            <Guarded key={`${known.view} ${route.part}`}>
              <Shown route={route} theme={theme} />
            </Guarded>
          ) : trouble ? null : (
            <p class="waits" role="status">
              Asking callmux …
            </p>
          )}
        </main>
      </div>
    </div>
  );
}

/** What fails in one view is said there; the others go on. */
function Guarded({ children }: { children: ComponentChildren }) {
  const [error, again] = useErrorBoundary((failure: unknown) => console.error(failure));
  if (!error) return <>{children}</>;
  return (
    <div class="trouble" role="alert">
      <strong>This view has failed: {error instanceof Error ? error.message : String(error)}</strong>
      <button type="button" onClick={again}>
        Show it again
      </button>
    </div>
  );
}

function Trail({ view, title, part }: { view: string; title: string; part: string }) {
  return (
    <>
      <a href={view === "calls" ? link("activity") : link(view)}>{view === "calls" ? "Activity" : title}</a>
      <span aria-hidden="true"> / </span>
      {part}
    </>
  );
}

function LinkState({ state, at }: { state: string; at?: string | undefined }) {
  const words = { live: "Live", connecting: "Connecting", lost: "Not connected" }[state] ?? state;
  return (
    <span class={`dot ${state === "live" ? "good" : state === "lost" ? "bad" : "warn"}`} role="status" title={at ? `As of ${clock(at)}` : undefined}>
      <i aria-hidden="true" />
      {words}
    </span>
  );
}

export function Mark() {
  return (
    <svg viewBox="0 0 32 32" width="20" height="20" aria-hidden="true">
      <rect width="32" height="32" rx="7" fill="var(--accent)" />
      <path d="M7 9h5c4 0 4 7 8 7h5M7 23h5c4 0 4-7 8-7M7 16h18" fill="none" stroke="var(--card)" stroke-width="2.4" stroke-linecap="round" />
    </svg>
  );
}

export function Moon() {
  return (
    <svg viewBox="0 0 16 16" width="15" height="15" aria-hidden="true">
      <path d="M13.5 9.8A5.8 5.8 0 0 1 6.2 2.5a5.8 5.8 0 1 0 7.3 7.3Z" fill="none" stroke="currentColor" stroke-width="1.4" stroke-linejoin="round" />
    </svg>
  );
}
