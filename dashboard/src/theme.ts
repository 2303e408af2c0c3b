// Light or dark: as the system has it, unless somebody chose.
import { useEffect, useState } from "preact/hooks";

export type Theme = "light" | "dark";
const KEPT = "callmux-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

function chosen(): Theme | null {
  try {
    const kept = localStorage.getItem(KEPT);
    return kept === "light" || kept === "dark" ? kept : null;
  } catch {
    return null;
  }
}

function now(): Theme {
  return chosen() ?? (system.matches ? "dark" : "light");
}

export function useTheme(): [Theme, () => void] {
  const [theme, setTheme] = useState(now);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
  }, [theme]);
  useEffect(() => {
    const changed = () => setTheme(now());
    system.addEventListener("change", changed);
    return () => system.removeEventListener("change", changed);
  }, []);
  const turn = () => {
    const other = theme === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(KEPT, other);
    } catch {
      /* Without storage it holds until the page is left. */
    }
    setTheme(other);
  };
  return [theme, turn];
}
