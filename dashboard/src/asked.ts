// Data that one view asks for itself.
import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { Refused, get } from "./address";
import { asRefused, start } from "./store";

export interface Asked<T> {
  data: T | null;
  error: Refused | null;
  /** Nothing has come yet. */
  waits: boolean;
  again: () => void;
}

/** Asks for a path, again when it or the query changes, and every so many seconds where `every` is given.
 * While a new answer is on its way the old one stays. */
export function useAsked<T>(
  path: string | null,
  query: Record<string, string | number | undefined> = {},
  every = 0,
): Asked<T> {
  const key = path === null ? "" : `${path}?${JSON.stringify(query)}`;
  const [state, setState] = useState<{ key: string; data: T | null; error: Refused | null }>({
    key: "",
    data: null,
    error: null,
  });
  const [round, setRound] = useState(0);
  const latest = useRef(query);
  latest.current = query;
  useEffect(() => {
    if (path === null) return;
    const abort = new AbortController();
    let timer = 0;
    const ask = async () => {
      try {
        const data = await get<T>(path, latest.current, abort.signal);
        if (abort.signal.aborted) return;
        setState({ key, data, error: null });
      } catch (error) {
        if (abort.signal.aborted) return;
        const refused = asRefused(error);
        // Whoever looks is signed in no more.
        if (refused.status === 401) void start();
        setState((old) => ({ key, data: old.key === key ? old.data : null, error: refused }));
      }
      next();
    };
    const next = () => {
      if (!every || abort.signal.aborted) return;
      timer = window.setTimeout(() => (document.hidden ? next() : void ask()), every * 1000);
    };
    void ask();
    return () => {
      abort.abort();
      clearTimeout(timer);
    };
  }, [key, every, round]);
  const again = useCallback(() => setRound((n) => n + 1), []);
  return { data: state.data, error: state.error, waits: path !== null && !state.data && !state.error, again };
}

/** Something a person starts: whether it runs, and what went wrong. */
export function useDeed<A extends unknown[]>(deed: (...args: A) => Promise<void>) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Refused | null>(null);
  const go = async (...args: A): Promise<boolean> => {
    setBusy(true);
    setError(null);
    try {
      await deed(...args);
      return true;
    } catch (failure) {
      setError(asRefused(failure));
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, error, go, clear: () => setError(null) };
}
