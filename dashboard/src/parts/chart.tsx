// A chart over time. uPlot draws it; the figures stand in a table below for those who do not see it.
import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

export interface Line {
  label: string;
  values: (number | null)[];
  color: "accent" | "bad" | "warn" | "dim" | "good";
  fill?: boolean;
  bars?: boolean;
  dash?: boolean;
}

export function Chart({
  times,
  lines,
  show,
  label,
  height = 180,
  theme,
  log,
}: {
  /** Seconds since 1970. */
  times: number[];
  lines: Line[];
  show: (value: number) => string;
  label: string;
  height?: number;
  theme: string;
  /** By powers of ten: for values that lie far apart. */
  log?: boolean;
}) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shape = `${theme} ${lines.map((line) => line.label + line.color).join("|")} ${height}`;
  const showing = useRef(show);
  showing.current = show;
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const color = colors(element);
    const axis = { stroke: color("dim"), grid: { stroke: color("line"), width: 1 }, ticks: { show: false }, font: FONT };
    const made = new uPlot(
      {
        width: element.clientWidth,
        height,
        padding: [10, 8, 0, 0],
        legend: { live: true, markers: { width: 0, fill: (u, at) => String(u.series[at]?.stroke instanceof Function ? color(lines[at - 1]?.color ?? "dim") : "gray") } },
        cursor: { points: { size: 6 }, y: false },
        scales: { y: log ? { distr: 3 } : { range: (_, low, high) => [Math.min(0, low ?? 0), high > 0 ? high * 1.12 : 1] } },
        axes: [
          { ...axis, size: 28, space: 70, values: (_, ticks) => timesOf(ticks) },
          { ...axis, size: 56, space: 36, ...(log ? { filter: decades, grid: { ...axis.grid, filter: decades } } : {}), values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : showing.current(tick))) },
        ],
        series: [
          { value: (_, time) => (time ? new Date(time * 1000).toLocaleString("en-GB") : "") },
          ...lines.map((line) => ({
            label: line.label,
            stroke: color(line.color),
            width: line.bars ? 0 : 1.75,
            points: { show: false, size: 5, fill: color(line.color), ...(line.bars ? {} : { filter: alone }) },
            ...(line.dash ? { dash: [4, 3] } : {}),
            ...(line.fill || line.bars ? { fill: faded(color(line.color), line.bars ? 1 : 0.14) } : {}),
            ...(line.bars ? { paths: uPlot.paths.bars!({ size: [0.75, 24], radius: 0.15 }) } : {}),
            value: (_: uPlot, value: number | null) => (value === null ? "–" : showing.current(value)),
          })),
        ],
      },
      [times, ...lines.map((line) => line.values)] as uPlot.AlignedData,
      element,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => {
    plot.current?.setData([times, ...lines.map((line) => line.values)] as uPlot.AlignedData);
  });
  return <div class="chart" ref={box} role="img" aria-label={label} />;
}

/** Of a scale by powers of ten: those alone. */
function decades(_: uPlot, ticks: number[]): (number | null)[] {
  return ticks.map((tick) => (Math.abs(Math.log10(tick) - Math.round(Math.log10(tick))) < 1e-6 ? tick : null));
}

/** Points without neighbours: no line would show them. */
function alone(plot: uPlot, at: number): number[] {
  const values = plot.data[at] ?? [];
  const there = (n: number) => values[n] !== null && values[n] !== undefined;
  const found: number[] = [];
  for (let n = 0; n < values.length; n += 1) if (there(n) && !there(n - 1) && !there(n + 1)) found.push(n);
  return found;
}

const FONT = "11px system-ui, sans-serif";

/** Style sheet colours as the canvas takes them. */
function colors(element: Element): (name: string) => string {
  const probe = document.createElement("i");
  element.append(probe);
  const found: Record<string, string> = {};
  for (const name of ["accent", "bad", "warn", "good", "dim", "line"]) {
    probe.className = `probe-${name}`;
    found[name] = getComputedStyle(probe).color;
  }
  probe.remove();
  return (name) => found[name] ?? "gray";
}

function faded(color: string, share: number): string {
  return share >= 1 ? color : color.replace(/^rgb\((.+)\)$/, `rgba($1, ${share})`);
}

const time = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

function timesOf(ticks: number[]): string[] {
  const step = (ticks[1] ?? 0) - (ticks[0] ?? 0);
  return ticks.map((tick) => (step >= 86_400 ? day : time).format(new Date(tick * 1000)));
}
