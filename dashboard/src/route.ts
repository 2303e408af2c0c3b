// The view and its filters stand in the address after `#`, so that a reload or a copied link shows the same.
import { useEffect, useState } from "preact/hooks";

export type Query = Record<string, string>;
export interface Route {
  view: string;
  /** What the view is about: a server, a tool, a session, a call. */
  part: string;
  query: Query;
}

/** Filters that go along from view to view. */
const KEPT = ["range"];

export function parsed(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const [view = "", ...rest] = path.split("/");
  return {
    view: view || "overview",
    part: rest.map(decoded).join("/"),
    query: Object.fromEntries(new URLSearchParams(search)),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function link(view: string, part = "", query: Query = {}): string {
  const now = parsed(location.hash).query;
  const all: Query = {};
  for (const key of KEPT) if (now[key]) all[key] = now[key];
  for (const [key, value] of Object.entries(query)) {
    if (value) all[key] = value;
    else delete all[key];
  }
  const search = new URLSearchParams(all).toString();
  return `#/${view}${part ? `/${encodeURIComponent(part)}` : ""}${search ? `?${search}` : ""}`;
}

/** Changes filters of the view that is shown. Typing into a field makes no entry in the history. */
export function refine(query: Query): void {
  const now = parsed(location.hash);
  const all = { ...now.query, ...query };
  for (const key of Object.keys(all)) if (!all[key]) delete all[key];
  const search = new URLSearchParams(all).toString();
  const path = `#/${now.view}${now.part ? `/${encodeURIComponent(now.part)}` : ""}`;
  history.replaceState(null, "", path + (search ? `?${search}` : ""));
  dispatchEvent(new HashChangeEvent("hashchange"));
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parsed(location.hash));
  useEffect(() => {
    const moved = () => setRoute(parsed(location.hash));
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return route;
}
