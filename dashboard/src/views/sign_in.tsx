// Shown where a credential is needed and there is none.
import { useEffect, useRef, useState } from "preact/hooks";
import { useDeed } from "../asked";
import { Dialog, Field, Trouble } from "../parts/pieces";
import { Mark, Moon } from "../page";
import { signIn } from "../store";

/** The page while nobody is signed in, where everybody has to. */
export function SignIn({ theme, turn }: { theme: string; turn: () => void }) {
  return (
    <div class="door">
      <main class="card">
        <div class="brand">
          <Mark /> callmux
        </div>
        <h1>Sign in</h1>
        {location.hash === "#sign-in=expired" ? (
          <div class="trouble" role="alert">
            <strong>This address was used already, or it is too old.</strong>
            <p>Run callmux dashboard again: it prints a new one.</p>
          </div>
        ) : null}
        <TokenForm />
        <button type="button" class="plain corner" onClick={turn} aria-label={theme === "dark" ? "Use the light theme" : "Use the dark theme"}>
          <Moon />
        </button>
      </main>
    </div>
  );
}

/** The same beside the page, for whoever may look without it and wants to do more. */
export function SignInDialog({ close }: { close: () => void }) {
  return (
    <Dialog title="Sign in" close={close}>
      <TokenForm done={close} />
    </Dialog>
  );
}

function TokenForm({ done }: { done?: () => void }) {
  const [token, setToken] = useState("");
  const deed = useDeed(signIn);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  return (
    <>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (token.trim()) void deed.go(token.trim()).then((fine) => fine && done?.());
        }}
      >
        <Field id="token" label="Token" hint="Of this listener (auth), to look and to try tools, or of its management interface (management.auth), to change servers as well.">
          <input
            id="token"
            ref={field}
            type="password"
            autoComplete="current-password"
            value={token}
            onInput={(event) => setToken(event.currentTarget.value)}
            aria-describedby="token-hint"
          />
        </Field>
        <Trouble error={deed.error} />
        <button type="submit" class="primary" disabled={deed.busy || !token.trim()}>
          {deed.busy ? "Signing in …" : "Sign in"}
        </button>
      </form>
      <p class="dim aside">
        Or run <code>callmux dashboard</code> on the machine of the listener: it prints an address that signs you in.
      </p>
    </>
  );
}
