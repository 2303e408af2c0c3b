// Small pieces that all views are made of.
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { Refused } from "../address";

export type Tone = "good" | "warn" | "bad" | "dim" | "accent";

export function Badge({ tone = "dim", children, title }: { tone?: Tone; children: ComponentChildren; title?: string }) {
  return (
    <span class={`badge ${tone}`} title={title}>
      {children}
    </span>
  );
}

/** A state with a dot of its colour; the word says it, too. */
export function Dot({ tone, children }: { tone: Tone; children: ComponentChildren }) {
  return (
    <span class={`dot ${tone}`}>
      <i aria-hidden="true" />
      {children}
    </span>
  );
}

export function Card({
  title,
  more,
  children,
  id,
  flush,
}: {
  title?: ComponentChildren;
  more?: ComponentChildren;
  children: ComponentChildren;
  id?: string;
  flush?: boolean;
}) {
  const label = useId();
  return (
    <section class={`card${flush ? " flush" : ""}`} id={id} aria-labelledby={title ? label : undefined}>
      {title ? (
        <header>
          <h2 id={label}>{title}</h2>
          {more ? <div class="more">{more}</div> : null}
        </header>
      ) : null}
      {children}
    </section>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <strong>{title}</strong>
      {children ? <div>{children}</div> : null}
    </div>
  );
}

/** A sentence of the listener: what stands in backquotes is code. */
export function Said({ text }: { text: string }) {
  const parts = text.split("`");
  const whole = parts.length % 2 === 1;
  const shown = parts.map((part, n) => (n % 2 === 1 && whole ? <code key={n}>{part}</code> : n === 0 ? part.charAt(0).toUpperCase() + part.slice(1) : part));
  return <>{whole ? shown : text}</>;
}

export function Trouble({ error, again }: { error: Refused | null; again?: () => void }) {
  if (!error) return null;
  return (
    <div class="trouble" role="alert">
      <strong>
        <Said text={error.message} />
      </strong>
      {error.nextStep ? (
        <p>
          <Said text={error.nextStep} />
        </p>
      ) : null}
      {again ? (
        <button type="button" onClick={again}>
          Try again
        </button>
      ) : null}
    </div>
  );
}

export function Copy({ text, label = "Copy" }: { text: string; label?: string }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return;
    const timer = setTimeout(() => setDone(false), 1500);
    return () => clearTimeout(timer);
  }, [done]);
  return (
    <button type="button" class="small" onClick={() => void copied(text).then(setDone)} aria-label={label}>
      {done ? "Copied" : "Copy"}
    </button>
  );
}

/** A page over plain http of another machine has no clipboard of its own; the old way works there. */
async function copied(text: string): Promise<boolean> {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      /* The old way is tried. */
    }
  }
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "unseen";
  document.body.append(field);
  field.select();
  const done = document.execCommand("copy");
  field.remove();
  return done;
}

export function Code({ text, label, wrap }: { text: string; label: string; wrap?: boolean }) {
  return (
    <div class="code">
      <pre tabIndex={0} aria-label={label} class={wrap ? "wrap" : undefined}>
        {text}
      </pre>
      <Copy text={text} label={`Copy ${label}`} />
    </div>
  );
}

/** A dialog of the browser's own: it holds the focus and closes with Escape. */
export function Dialog({
  title,
  close,
  children,
  wide,
}: {
  title: string;
  close: () => void;
  children: ComponentChildren;
  wide?: boolean;
}) {
  const box = useRef<HTMLDialogElement>(null);
  const label = useId();
  useEffect(() => {
    box.current?.showModal();
    return () => box.current?.close();
  }, []);
  return (
    <dialog
      ref={box}
      class={wide ? "wide" : undefined}
      aria-labelledby={label}
      onCancel={(event) => {
        event.preventDefault();
        close();
      }}
    >
      <header>
        <h2 id={label}>{title}</h2>
        <button type="button" class="plain" onClick={close} aria-label="Close">
          <Cross />
        </button>
      </header>
      {children}
    </dialog>
  );
}

function Cross() {
  return (
    <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true">
      <path d="M3 3l10 10M13 3L3 13" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" />
    </svg>
  );
}

export function Facts({ rows }: { rows: [string, ComponentChildren][] }) {
  return (
    <dl class="facts">
      {rows
        .filter(([, value]) => value !== undefined && value !== null && value !== "")
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

/** A choice of few: buttons beside one another. */
export function Choice<T extends string>({
  label,
  value,
  options,
  onChange,
}: {
  label: string;
  value: T;
  options: { value: T; text: string; count?: number }[];
  onChange: (value: T) => void;
}) {
  return (
    <div class="choice" role="group" aria-label={label}>
      {options.map((option) => (
        <button
          type="button"
          key={option.value}
          aria-pressed={option.value === value}
          onClick={() => onChange(option.value)}
        >
          {option.text}
          {option.count !== undefined ? <span class="count">{option.count}</span> : null}
        </button>
      ))}
    </div>
  );
}

export function Field({
  label,
  hint,
  children,
  id,
  required,
}: {
  label: string;
  hint?: ComponentChildren;
  children: ComponentChildren;
  id: string;
  required?: boolean;
}) {
  return (
    <div class="field">
      <label for={id}>
        {label}
        {required ? <span class="needed"> required</span> : null}
      </label>
      {children}
      {hint ? <small id={`${id}-hint`}>{hint}</small> : null}
    </div>
  );
}
