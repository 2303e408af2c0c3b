// Numbers, times and sizes as people read them.

const whole = new Intl.NumberFormat("en-US");
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });

export function count(n: number | undefined | null): string {
  if (n === undefined || n === null || Number.isNaN(n)) return "–";
  return Math.abs(n) >= 100_000 ? short.format(n) : whole.format(Math.round(n));
}

export function rate(n: number): string {
  if (n === 0) return "0";
  if (n < 0.1) return n.toFixed(2);
  return n < 10 ? n.toFixed(1) : count(n);
}

export function share(part: number, all: number): string {
  if (!all) return "–";
  const percent = (100 * part) / all;
  if (part === 0) return "0 %";
  if (percent < 0.1) return "< 0.1 %";
  return `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
}

export function ms(n: number | undefined | null): string {
  if (n === undefined || n === null || Number.isNaN(n)) return "–";
  if (n < 10) return `${Number(n.toFixed(1))} ms`;
  if (n < 1000) return `${Math.round(n)} ms`;
  if (n < 10_000) return `${(n / 1000).toFixed(2)} s`;
  if (n < 120_000) return `${(n / 1000).toFixed(1)} s`;
  if (n < 7_200_000) return `${Math.round(n / 60_000)} min`;
  return `${(n / 3_600_000).toFixed(1)} h`;
}

export function bytes(n: number | undefined | null): string {
  if (n === undefined || n === null) return "–";
  if (n < 1000) return `${n} B`;
  const units = ["KB", "MB", "GB", "TB"];
  let value = n / 1000;
  let at = 0;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at += 1;
  }
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ${units[at]}`;
}

const clockFormat = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const dayFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
let today = "";
let todayAt = 0;

/** The time of day, with the day before it where that is not today. */
export function clock(time: number | string | undefined | null): string {
  if (time === undefined || time === null) return "–";
  const date = typeof time === "number" ? time : Date.parse(time);
  if (Number.isNaN(date)) return "–";
  const now = Date.now();
  if (now - todayAt > 10_000) {
    today = new Date(now).toDateString();
    todayAt = now;
  }
  const when = new Date(date);
  const text = clockFormat.format(when);
  return when.toDateString() === today ? text : `${dayFormat.format(when)} ${text}`;
}

/** How long ago, in one unit. */
export function ago(time: number | string | undefined | null, now = Date.now()): string {
  if (time === undefined || time === null) return "never";
  const date = typeof time === "number" ? time : Date.parse(time);
  if (Number.isNaN(date) || date <= 0) return "never";
  const seconds = Math.round((now - date) / 1000);
  if (seconds < -1) return `in ${unit(-seconds)}`;
  return seconds < 2 ? "now" : `${unit(seconds)} ago`;
}

function unit(seconds: number): string {
  if (seconds < 90) return `${seconds} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129_600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} days`;
}

export function plural(n: number, one: string, many = `${one}s`): string {
  return `${count(n)} ${n === 1 ? one : many}`;
}

/** The value that a share `q` of the sorted values does not exceed. */
export function quantile(sorted: number[], q: number): number | null {
  if (!sorted.length) return null;
  return sorted[Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)] ?? null;
}
