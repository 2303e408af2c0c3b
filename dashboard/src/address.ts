// Where the data is, and how it is asked for. Everything is relative to the folder above this script, so that
// any mount path and any prefix of a proxy works.

const here = import.meta.url;
export const BASE = new URL("../", here);

export class Refused extends Error {
  constructor(
    public status: number,
    message: string,
    public nextStep = "",
  ) {
    super(message);
  }
}

let csrf = "";
let renew: (() => Promise<void>) | null = null;

/** Keeps what writes must carry, and what fetches it anew. */
export function keepToken(token: string | undefined, again: () => Promise<void>): void {
  csrf = token ?? "";
  renew = again;
}

export function at(path: string, query: Record<string, string | number | undefined | null> = {}): string {
  const url = new URL(path, BASE);
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") url.searchParams.set(key, String(value));
  }
  return url.href;
}

export async function get<T>(
  path: string,
  query: Record<string, string | number | undefined | null> = {},
  signal?: AbortSignal,
): Promise<T> {
  return read<T>(await sent(at(path, query), { signal: signal ?? null, credentials: "same-origin" }));
}

export async function send<T>(
  method: "POST" | "PATCH" | "DELETE",
  path: string,
  body?: unknown,
  query: Record<string, string> = {},
): Promise<T> {
  const write = () =>
    sent(at(path, query), {
      method,
      headers: { "content-type": "application/json", "x-callmux-csrf": csrf },
      credentials: "same-origin",
      body: JSON.stringify(body ?? {}),
    });
  const before = csrf;
  let response = await write();
  if (response.status === 403 && renew) {
    // The listener may have started anew, with another token.
    await renew();
    if (csrf !== before) response = await write();
  }
  return read<T>(response);
}

async function sent(url: string, init: RequestInit): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Refused(0, "callmux does not answer", "check that the listener runs; this page goes on as soon as it does");
  }
}

async function read<T>(response: Response): Promise<T> {
  const text = await response.text();
  let value: unknown = null;
  try {
    value = text ? JSON.parse(text) : null;
  } catch {
    value = null;
  }
  if (response.ok) return value as T;
  const told = (value ?? {}) as { error?: unknown; nextStep?: unknown };
  // A body that is too large is refused by a JSON-RPC error.
  const error = (told.error as { message?: unknown } | undefined)?.message ?? told.error;
  const message = typeof error === "string" ? error : `HTTP status ${response.status}`;
  throw new Refused(response.status, message, typeof told.nextStep === "string" ? told.nextStep : "");
}
