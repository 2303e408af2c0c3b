// Command lines and lists of pairs, between text and data.

/** Splits a command line as a shell would, quotes and backslashes included; runs nothing. */
export function split(line: string): string[] {
  const words: string[] = [];
  let word: string | null = null;
  let quote = "";
  for (let at = 0; at < line.length; at += 1) {
    const c = line[at]!;
    if (quote) {
      if (c === quote) quote = "";
      else if (c === "\\" && quote === '"' && /["\\$`]/.test(line[at + 1] ?? "")) word += line[++at]!;
      else word += c;
    } else if (c === "'" || c === '"') {
      quote = c;
      word ??= "";
    } else if (c === "\\" && at + 1 < line.length) {
      word = (word ?? "") + line[++at]!;
    } else if (/\s/.test(c)) {
      if (word !== null) words.push(word);
      word = null;
    } else {
      word = (word ?? "") + c;
    }
  }
  if (word !== null) words.push(word);
  return words;
}

export function joined(words: string[]): string {
  return words.map((word) => (/^[\w@%+=:,./${}[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`)).join(" ");
}

/** `NAME=value` lines, or `Name: value` lines, as an object. */
export function pairs(text: string, sign: "=" | ":"): Record<string, string> {
  const found: Record<string, string> = {};
  for (const line of text.split("\n")) {
    const at = line.indexOf(sign);
    const name = (at < 0 ? line : line.slice(0, at)).trim();
    if (name) found[name] = at < 0 ? "" : sign === ":" ? line.slice(at + 1).trim() : line.slice(at + 1);
  }
  return found;
}

export function unpaired(value: unknown, sign: string): string {
  if (!value || typeof value !== "object") return "";
  return Object.entries(value)
    .map(([name, one]) => `${name}${sign}${typeof one === "string" ? one : JSON.stringify(one)}`)
    .join("\n");
}
