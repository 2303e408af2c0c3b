// The latest few events that concern one thing.
import { isError, KINDS, outcome, subject } from "../facts";
import { clock } from "../format";
import type { Event } from "../model";
import { Empty } from "../parts/pieces";
import { link } from "../route";
import { useStore } from "../store";

export function Latest({ picked, empty, most = 12 }: { picked: (event: Event) => boolean; empty: string; most?: number }) {
  const { events } = useStore();
  const found = newest(events, picked, most);
  if (!found.length) return <Empty title={empty} />;
  return (
    <ul class="latest">
      {found.map(({ event, times }) => (
        <li key={event.seq} class={isError(event) ? "bad" : undefined}>
          <time dateTime={event.timestamp}>{clock(event.time)}</time>
          <span>
            {event.requestId && event.tool ? <a href={link("calls", event.requestId)}>{subject(event)}</a> : `${subject(event)} ${KINDS[event.type] ?? event.type}`}
            {times > 1 ? <span class="dim"> ×{times}</span> : null}
          </span>
          <span class="dim" title={outcome(event)}>
            {outcome(event)}
          </span>
        </li>
      ))}
    </ul>
  );
}

/** The newest first; what happened several times in a row stands once. */
function newest(events: Event[], picked: (event: Event) => boolean, most: number) {
  const found: { event: Event; times: number; same: string }[] = [];
  for (let at = events.length - 1; at >= 0; at -= 1) {
    const event = events[at]!;
    if (!picked(event)) continue;
    const same = `${event.type} ${event.server} ${event.tool} ${event.error}`;
    const last = found.at(-1);
    if (last && last.same === same && !event.requestId) last.times += 1;
    else if (found.length < most) found.push({ event, times: 1, same });
    else break;
  }
  return found;
}
