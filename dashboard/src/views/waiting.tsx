// What waits for a person: calls to be approved, servers to sign in to.
import { send } from "../address";
import { useAsked, useDeed } from "../asked";
import { clock } from "../format";
import type { Question, Waiting as Waits } from "../model";
import { Badge, Card, Code, Copy, Empty, Facts, Said, Trouble } from "../parts/pieces";
import type { View } from "../page";
import { link } from "../route";
import { refreshNow, right } from "../store";

export function Waiting(_: View) {
  const asked = useAsked<Waits>("waiting", {}, 2);
  const { approvals = [], signIns = [] } = asked.data ?? {};
  return (
    <>
      <Trouble error={asked.error} again={asked.again} />
      <Card title="Calls to approve" more={approvals.length ? <Badge tone="warn">{approvals.length}</Badge> : null} id="approvals">
        {approvals.length ? (
          <ul class="waiting">
            {approvals.map((one) => (
              <OneQuestion key={one.id} question={one} again={asked.again} />
            ))}
          </ul>
        ) : (
          <Empty title="No call waits for approval.">
            Which calls a person is asked about stands under <code>approve</code> in the configuration.
          </Empty>
        )}
      </Card>
      <Card title="Servers to sign in to" more={signIns.length ? <Badge tone="warn">{signIns.length}</Badge> : null} id="sign-ins">
        {signIns.length ? (
          <ul class="waiting">
            {signIns.map((one) => (
              <li key={one.server}>
                <strong>
                  <a href={link("servers", one.server)}>{one.server}</a>
                </strong>
                <p class="command">
                  On the machine of callmux: <code>{one.command}</code> <Copy text={one.command} label={`Copy the command for ${one.server}`} />
                </p>
                <p class="dim">since {clock(one.since)}</p>
              </li>
            ))}
          </ul>
        ) : (
          <Empty title="No server waits for somebody to sign in." />
        )}
      </Card>
    </>
  );
}

/** A call as it would be made. */
function written({ server, tool, arguments: given, ...more }: Record<string, unknown>): string {
  const { tier: _, ...rest } = more;
  const named = tool ?? Object.values(rest)[0] ?? "";
  const text = typeof given === "string" ? given : given === undefined ? "" : JSON.stringify(given);
  return `${server}: ${named}\n${pretty(text)}`;
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    // It was cut.
    return text;
  }
}

const CHOICES: Record<string, string> = { allow: "Allow this call", session: "Allow for this session", project: "Allow for this project", deny: "Deny" };
const ORDER = Object.keys(CHOICES);

function OneQuestion({ question, again }: { question: Question; again: () => void }) {
  const approve = right("approve");
  const deed = useDeed(async (answer: string) => {
    await send("POST", "approve", { id: question.id, answer });
    again();
    await refreshNow();
  });
  const what = (question.calls ?? []).join(", ") || "a call";
  const given = (question.choices ?? []).map((choice) => (choice === "once" ? "allow" : choice));
  const choices = [...new Set(["allow", ...given.filter((choice) => choice in CHOICES), "deny"])].sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b));
  return (
    <li>
      <strong>{what}</strong>
      <Facts
        rows={[
          ["Client", question.client],
          ["Who", question.principal],
          ["Directory", question.directory],
          ["Time left", question.leftSeconds === undefined ? null : `${Math.round(question.leftSeconds)} s`],
        ]}
      />
      {question.details?.length ? <Code label={`arguments of ${what}`} text={question.details.map(written).join("\n\n")} wrap /> : null}
      <Trouble error={deed.error} />
      <div class="actions left">
        {choices.map((choice) => (
          <button
            type="button"
            key={choice}
            class={choice === "deny" ? "danger" : choice === "allow" ? "primary" : undefined}
            disabled={!approve.may || deed.busy}
            onClick={() => void deed.go(choice)}
            aria-label={`${CHOICES[choice] ?? choice}: ${what}`}
          >
            {CHOICES[choice] ?? choice}
          </button>
        ))}
      </div>
      {approve.may ? null : (
        <p class="dim why">
          <Said text={approve.why} />
          {question.command ? (
            <>
              . Or run <code>{question.command}</code>.
            </>
          ) : null}
        </p>
      )}
    </li>
  );
}
