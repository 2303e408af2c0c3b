// Two texts, line by line: what went and what came.

interface Part {
  kind: "same" | "gone" | "new";
  text: string;
}

const MOST_LINES = 1500;
const AROUND = 3;

export function Difference({ before, after, label }: { before: unknown; after: unknown; label: string }) {
  const parts = folded(compared(lines(before), lines(after)));
  return (
    <pre class="difference" tabIndex={0} aria-label={label}>
      {parts.map((part, n) => (
        <span key={n} class={part.kind}>
          {part.kind === "gone" ? <del>{`- ${part.text}`}</del> : part.kind === "new" ? <ins>{`+ ${part.text}`}</ins> : `  ${part.text}`}
          {"\n"}
        </span>
      ))}
    </pre>
  );
}

function lines(value: unknown): string[] {
  const text = value === undefined || value === null ? "" : JSON.stringify(value, null, 2);
  return text ? text.split("\n").slice(0, MOST_LINES) : [];
}

/** The longest common lines stay; what is around them went or came. */
export function compared(a: string[], b: string[]): Part[] {
  let begin = 0;
  while (begin < a.length && begin < b.length && a[begin] === b[begin]) begin += 1;
  let end = 0;
  while (end < a.length - begin && end < b.length - begin && a[a.length - 1 - end] === b[b.length - 1 - end]) end += 1;
  const left = a.slice(begin, a.length - end);
  const right = b.slice(begin, b.length - end);
  const width = right.length + 1;
  const best = new Uint16Array((left.length + 1) * width);
  for (let i = left.length - 1; i >= 0; i -= 1) {
    for (let j = right.length - 1; j >= 0; j -= 1) {
      best[i * width + j] =
        left[i] === right[j]
          ? best[(i + 1) * width + j + 1]! + 1
          : Math.max(best[(i + 1) * width + j]!, best[i * width + j + 1]!);
    }
  }
  const parts: Part[] = a.slice(0, begin).map((text) => ({ kind: "same", text }));
  let i = 0;
  let j = 0;
  while (i < left.length || j < right.length) {
    if (i < left.length && j < right.length && left[i] === right[j]) {
      parts.push({ kind: "same", text: left[i]! });
      i += 1;
      j += 1;
    } else if (j >= right.length || (i < left.length && best[(i + 1) * width + j]! >= best[i * width + j + 1]!)) {
      parts.push({ kind: "gone", text: left[i]! });
      i += 1;
    } else {
      parts.push({ kind: "new", text: right[j]! });
      j += 1;
    }
  }
  parts.push(...a.slice(a.length - end).map((text): Part => ({ kind: "same", text })));
  return parts;
}

/** Leaves out long stretches in which nothing has changed. */
function folded(parts: Part[]): Part[] {
  const near = new Set<number>();
  parts.forEach((part, at) => {
    if (part.kind !== "same") for (let n = at - AROUND; n <= at + AROUND; n += 1) near.add(n);
  });
  const shown: Part[] = [];
  let skipped = 0;
  parts.forEach((part, at) => {
    if (near.has(at)) {
      if (skipped) shown.push({ kind: "same", text: "…" });
      skipped = 0;
      shown.push(part);
    } else skipped += 1;
  });
  if (skipped && shown.length) shown.push({ kind: "same", text: "…" });
  return shown;
}
