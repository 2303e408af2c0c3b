// Calls that run now, with their progress, and a way to end them.
import { useEffect, useState } from "preact/hooks";
import { send } from "../address";
import { useAsked, useDeed } from "../asked";
import { ms, plural } from "../format";
import type { Running } from "../model";
import { Badge, Card, Empty, Trouble } from "../parts/pieces";
import type { View } from "../page";
import { link } from "../route";
import { right } from "../store";
import { targetsOf } from "../facts";

const MOST = 300;

export function Live(_: View) {
  const live = useAsked<{ calls: Running[] }>("live", {}, 1);
  const calls = live.data?.calls ?? [];
  return (
    <>
      <p class="dim" role="status">
        {live.waits ? "Asking …" : live.error ? "" : calls.length ? `${plural(calls.length, "call")} running, the oldest first` : "No call is running."}
      </p>
      <Trouble error={live.error} again={live.again} />
      <Card flush id="live">
        {calls.length ? (
          <ul class="running">
            {calls.slice(0, MOST).map((call) => (
              <RunningCall key={call.id} call={call} again={live.again} />
            ))}
          </ul>
        ) : (
          <Empty title="Nothing runs now.">
            Calls stand here from their first moment, with what their servers say about progress. Past ones are under <a href={link("activity")}>Activity</a>.
          </Empty>
        )}
        {calls.length > MOST ? <p class="dim pad">{plural(calls.length - MOST, "more call")} not shown.</p> : null}
      </Card>
    </>
  );
}

export function RunningCall({ call, again }: { call: Running; again: () => void }) {
  const steer = right("steer");
  const ending = useDeed(async () => {
    await send("POST", "cancel", { id: call.id });
    again();
  });
  const targets = targetsOf(call);
  const state = call.state ?? "running";
  return (
    <li>
      <div class="line">
        <span class="what">
          <strong>{call.tool ?? call.targetTool ?? "a request"}</strong>
          {targets && targets !== call.tool ? <span class="dim"> {targets}</span> : null}
        </span>
        {state !== "running" && state !== "in_flight" ? <Badge tone="warn">{state}</Badge> : null}
        <Age since={Date.parse(call.startedAt)} limit={call.timeoutMs} />
        {call.cancellable === false ? null : (
          <button type="button" class="small" disabled={!steer.may || ending.busy} title={steer.may ? undefined : steer.why} onClick={() => void ending.go()} aria-label={`Cancel ${call.tool ?? "the call"}`}>
            {ending.busy ? "Cancelling …" : "Cancel"}
          </button>
        )}
      </div>
      <ProgressLine call={call} />
      <div class="dim about">
        {[call.client, call.principal].filter(Boolean).join(", ")}
        {call.sessionId ? (
          <>
            {call.client || call.principal ? ", " : ""}session <a href={link("sessions", call.sessionId)}>{call.sessionId}</a>
          </>
        ) : null}
        {call.cwd ? ` in ${call.cwd}` : ""}
      </div>
      {ending.error ? <div class="reason">{ending.error.message}</div> : null}
    </li>
  );
}

function ProgressLine({ call }: { call: Running }) {
  const { progress, total, message } = call.progress ?? {};
  if (progress === undefined && !message) return null;
  const known = progress !== undefined && total !== undefined && total > 0;
  return (
    <div class="progress">
      {known ? <progress value={progress} max={total} aria-label={`Progress of ${call.tool ?? "the call"}`} /> : null}
      <span class="dim">
        {known ? `${progress} of ${total}` : progress !== undefined ? String(progress) : ""}
        {message ? ` ${message}` : ""}
      </span>
    </div>
  );
}

function Age({ since, limit }: { since: number; limit?: number | undefined }) {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  return (
    <span class="age" title={limit ? `It may take ${ms(limit)}` : undefined}>
      {ms(Math.max(0, now - since))}
      {limit ? <span class="dim"> of {ms(limit)}</span> : null}
    </span>
  );
}
