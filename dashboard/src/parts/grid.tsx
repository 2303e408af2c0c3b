// A short table that can be sorted by its columns.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";

export interface GridColumn<T> {
  title: string;
  show: (row: T) => ComponentChildren;
  by?: (row: T) => number | string;
  right?: boolean;
  /** Left out on a phone. */
  wide?: boolean;
}

export function Grid<T>({
  rows,
  columns,
  rowKey,
  label,
  most = 200,
}: {
  rows: readonly T[];
  columns: GridColumn<T>[];
  rowKey: (row: T) => string;
  label: string;
  most?: number;
}) {
  const [sort, setSort] = useState<{ at: number; down: boolean } | null>(null);
  const by = sort ? columns[sort.at]?.by : undefined;
  const sorted = by
    ? [...rows].sort((a, b) => {
        const [x, y] = [by(a), by(b)];
        return (x < y ? -1 : x > y ? 1 : 0) * (sort!.down ? -1 : 1);
      })
    : rows;
  return (
    <div class="scroll">
      <table class="grid" aria-label={label}>
        <thead>
          <tr>
            {columns.map((column, at) => (
              <th
                key={column.title}
                scope="col"
                class={classOf(column)}
                aria-sort={sort?.at === at ? (sort.down ? "descending" : "ascending") : undefined}
              >
                {column.by ? (
                  <button
                    type="button"
                    class="sort"
                    onClick={() => setSort({ at, down: sort?.at === at ? !sort.down : column.right === true })}
                  >
                    {column.title}
                    <span aria-hidden="true">{sort?.at === at ? (sort.down ? " ↓" : " ↑") : ""}</span>
                  </button>
                ) : (
                  column.title
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.slice(0, most).map((row) => (
            <tr key={rowKey(row)}>
              {columns.map((column) => (
                <td key={column.title} class={classOf(column)}>
                  {column.show(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function classOf<T>(column: GridColumn<T>): string | undefined {
  return [column.right ? "right" : "", column.wide ? "wide" : ""].filter(Boolean).join(" ") || undefined;
}
