// What does not change while callmux runs: entries for clients, and what each failure means.
import { useAsked, type Asked } from "./asked";
import type { ClientEntry } from "./model";

export interface Failure {
  what: string;
  next: string;
}

export interface Reference {
  clients: ClientEntry[];
  failures: Record<string, Failure>;
}

export function useReference(): Asked<Reference> {
  return useAsked<Reference>("reference");
}
