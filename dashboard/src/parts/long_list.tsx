// A list of any length: only the rows in sight are in the document. All rows have one height, which the
// style sheet gives as `--row`, so that a phone can have taller ones.
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";

const SPARE = 8;

export interface Column<T> {
  key: string;
  title: string;
  /** A CSS width: `6rem`, `1fr`, `minmax(8rem, 2fr)`. */
  width: string;
  /** Another width on a phone. */
  narrow?: string;
  show: (row: T) => ComponentChildren;
  /** What stands below it on a phone. */
  under?: (row: T) => ComponentChildren;
  /** Left out on a phone. */
  wide?: boolean;
  right?: boolean;
  /** It has the link of its row; the first column, where none says so. */
  leads?: boolean;
}

export function LongList<T>({
  rows,
  columns,
  label,
  href,
  onPick,
  empty,
  id,
  toneOf,
}: {
  rows: readonly T[];
  columns: Column<T>[];
  label: string;
  /** Where a row leads. */
  href?: (row: T) => string | undefined;
  onPick?: (row: T) => void;
  empty?: ComponentChildren;
  id?: string;
  toneOf?: (row: T) => string | undefined;
}) {
  const box = useRef<HTMLDivElement>(null);
  const [top, setTop] = useState(0);
  const [size, setSize] = useState({ height: 600, row: 30, narrow: false });
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = () => {
      const style = getComputedStyle(element);
      setSize({
        height: element.clientHeight,
        row: parseFloat(style.getPropertyValue("--row")) || 30,
        narrow: element.clientWidth < 620,
      });
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    let frame = 0;
    const moved = () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0;
        setTop(element.scrollTop);
      });
    };
    element.addEventListener("scroll", moved, { passive: true });
    return () => {
      element.removeEventListener("scroll", moved);
      cancelAnimationFrame(frame);
    };
  }, []);
  const shown = columns.filter((column) => !(column.wide && size.narrow));
  const first = Math.max(0, Math.floor(top / size.row) - SPARE);
  const last = Math.min(rows.length, Math.ceil((top + size.height) / size.row) + SPARE);
  // A row that leaves at one end is used again at the other.
  const pool = Math.ceil(size.height / size.row) + 2 * SPARE + 2;
  const leading = Math.max(0, shown.findIndex((column) => column.leads));
  const grid = { gridTemplateColumns: shown.map((column) => (size.narrow && column.narrow) || column.width).join(" ") };
  return (
    <div class="long" role="table" aria-label={label} aria-rowcount={rows.length + 1} id={id} ref={box} tabIndex={0}>
      <div role="rowgroup" class="heads">
        <div class="row head" role="row" aria-rowindex={1} style={grid}>
          {shown.map((column) => (
            <span role="columnheader" key={column.key} class={column.right ? "right" : undefined}>
              {column.title}
            </span>
          ))}
        </div>
      </div>
      <div role="rowgroup" class="body" style={{ height: `${rows.length * size.row}px` }}>
        {rows.length ? (
          rows.slice(first, last).map((row, n) => {
              const to = href?.(row);
              const tone = toneOf?.(row);
              return (
                <div
                  key={(first + n) % pool}
                  class={`row${to || onPick ? " leads" : ""}${tone ? ` ${tone}` : ""}`}
                  role="row"
                  aria-rowindex={first + n + 2}
                  style={{ ...grid, transform: `translateY(${(first + n) * size.row}px)` }}
                  onClick={
                    to || onPick
                      ? (event) => {
                          if ((event.target as Element).closest("a, button")) return;
                          if (onPick) onPick(row);
                          else if (to) location.hash = to.slice(1);
                        }
                      : undefined
                  }
                >
                  {shown.map((column, at) => (
                    <span role="cell" key={column.key} class={column.right ? "right" : undefined}>
                      {at === leading && to ? <a href={to}>{column.show(row)}</a> : column.show(row)}
                      {size.narrow && column.under ? <small>{column.under(row)}</small> : null}
                    </span>
                  ))}
                </div>
              );
            })
        ) : (
          <div role="row">
            <div role="cell">{empty}</div>
          </div>
        )}
      </div>
    </div>
  );
}
