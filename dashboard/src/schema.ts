// From a JSON Schema to the fields of a form, and back to arguments. Pure.
import type { Schema } from "./model";

export type FieldKind = "text" | "long" | "number" | "boolean" | "choice" | "lines" | "json";

export interface FormField {
  name: string;
  kind: FieldKind;
  title: string;
  hint: string;
  required: boolean;
  choices: unknown[];
  integer: boolean;
  numbers: boolean;
}

/** The fields of an object schema; null where a form cannot show it and JSON must be written. */
export function fieldsOf(schema: Schema | undefined): FormField[] | null {
  const root = resolved(schema ?? {}, schema ?? {});
  if (root.anyOf || root.oneOf || root.allOf) return null;
  const properties = root.properties ?? {};
  const required = new Set(root.required ?? []);
  return Object.entries(properties).map(([name, given]) => field(name, given, root, required.has(name)));
}

function field(name: string, given: Schema, root: Schema, required: boolean): FormField {
  const one = plain(resolved(given, root), root);
  const type = typeof one.type === "string" ? one.type : "";
  const items = one.items && !Array.isArray(one.items) ? plain(resolved(one.items, root), root) : {};
  const choices = one.enum ?? (one.const !== undefined ? [one.const] : []);
  let kind: FieldKind = "json";
  if (choices.length) kind = "choice";
  else if (type === "boolean") kind = "boolean";
  else if (type === "number" || type === "integer") kind = "number";
  else if (type === "string") kind = /text|content|body|message|prompt|code|script|description/i.test(name) ? "long" : "text";
  else if (type === "array" && ["string", "number", "integer"].includes(String(items.type)) && !items.enum) kind = "lines";
  const described = given.description ?? one.description ?? "";
  return {
    name,
    kind,
    title: one.title && one.title.toLowerCase() !== name.toLowerCase() ? `${name} (${one.title})` : name,
    hint: [described, kind === "lines" ? "One a line." : "", kind === "json" ? `As JSON${type ? `: ${type}` : ""}.` : "", limits(one)].filter(Boolean).join(" "),
    required,
    choices,
    integer: type === "integer",
    numbers: kind === "lines" && items.type !== "string",
  };
}

function limits(one: Schema): string {
  const parts = [];
  if (one.minimum !== undefined) parts.push(`at least ${one.minimum}`);
  if (one.maximum !== undefined) parts.push(`at most ${one.maximum}`);
  if (one.default !== undefined) parts.push(`otherwise ${JSON.stringify(one.default)}`);
  return parts.length ? `(${parts.join(", ")})` : "";
}

/** `T or null` as `T`. */
function plain(one: Schema, root: Schema): Schema {
  const ways = (one.anyOf ?? one.oneOf)?.map((way) => resolved(way, root)).filter((way) => way.type !== "null");
  if (ways?.length === 1) return { ...one, ...ways[0], anyOf: undefined, oneOf: undefined } as Schema;
  if (Array.isArray(one.type)) {
    const types = one.type.filter((type) => type !== "null");
    return { ...one, type: types.length === 1 ? types[0]! : "" };
  }
  return one;
}

function resolved(one: Schema, root: Schema, depth = 0): Schema {
  if (typeof one !== "object" || one === null) return {};
  if (!one.$ref || depth > 8) return one;
  const path = /^#\/(.+)$/.exec(one.$ref)?.[1]?.split("/") ?? [];
  let at: unknown = root;
  for (const step of path) {
    at = at && typeof at === "object" ? (at as Record<string, unknown>)[step.replaceAll("~1", "/").replaceAll("~0", "~")] : undefined;
  }
  return at && typeof at === "object" ? { ...resolved(at as Schema, root, depth + 1), ...one, $ref: undefined } as Schema : {};
}

/** The arguments that the texts of the fields stand for.
 * @throws Error: a text does not fit; the message names the field. */
export function argumentsOf(fields: FormField[], texts: Record<string, string>): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const one of fields) {
    const text = texts[one.name] ?? "";
    if (text === "" && !(one.required && (one.kind === "text" || one.kind === "long"))) {
      if (one.required) throw new Error(`"${one.name}" is required.`);
      continue;
    }
    found[one.name] = valueOf(one, text);
  }
  return found;
}

function valueOf(one: FormField, text: string): unknown {
  switch (one.kind) {
    case "boolean":
      return text === "true";
    case "choice":
      return one.choices[Number(text)];
    case "number":
      return numberOf(one.name, text, one.integer);
    case "lines": {
      const lines = text.split("\n").filter((line) => line.trim());
      return one.numbers ? lines.map((line) => numberOf(one.name, line, false)) : lines;
    }
    case "json":
      try {
        return JSON.parse(text);
      } catch (error) {
        throw new Error(`"${one.name}" is no JSON: ${error instanceof Error ? error.message : error}`);
      }
    default:
      return text;
  }
}

function numberOf(name: string, text: string, integer: boolean): number {
  const value = Number(text);
  if (!Number.isFinite(value)) throw new Error(`"${name}" must be a number.`);
  if (integer && !Number.isInteger(value)) throw new Error(`"${name}" must be a whole number.`);
  return value;
}
