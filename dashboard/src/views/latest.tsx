// The latest few events that concern one thing.
import { isError, outcome, subject } from "../facts";
import { clock } from "../format";
import type { Event } from "../model";
import { Empty } from "../parts/pieces";
import { link } from "../route";
import { useStore } from "../store";

export function Latest({ picked, empty, most = 12 }: { picked: (event: Event) => boolean; empty: string; most?: number }) {
  const { events } = useStore();
  const found: Event[] = [];
  for (let at = events.length - 1; at >= 0 && found.length < most; at -= 1) {
    const event = events[at]!;
    if (picked(event)) found.push(event);
  }
  if (!found.length) return <Empty title={empty} />;
  return (
    <ul class="latest">
      {found.map((event) => (
        <li key={event.seq} class={isError(event) ? "bad" : undefined}>
          <time dateTime={event.timestamp}>{clock(event.time)}</time>
          <span>{event.requestId && event.tool ? <a href={link("calls", event.requestId)}>{subject(event)}</a> : `${event.type.replaceAll("_", " ")} ${subject(event)}`}</span>
          <span class="dim">{outcome(event)}</span>
        </li>
      ))}
    </ul>
  );
}
