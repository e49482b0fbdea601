// Single keys. They rest while somebody writes, and with Ctrl, Alt or Command.
import { rename } from "./list";

function isWriting(target: EventTarget | null): boolean {
  return (
    target instanceof HTMLElement &&
    target.matches("input:not([type=radio], [type=checkbox]), textarea, select, [contenteditable]")
  );
}

function click(selector: string, root: ParentNode = document): boolean {
  const found = root.querySelector<HTMLElement>(selector);
  found?.click();
  return found !== null;
}

/** The row of the list that has the focus. */
function row(): Element | null {
  return document.activeElement?.closest(".item") ?? null;
}

/** Moves through the rows of a list, or the turns of a transcript. */
function move(step: number): boolean {
  const rows = [...document.querySelectorAll<HTMLElement>("main [data-row], .blocks > .user")].filter(
    (element) => element.checkVisibility(),
  );
  if (!rows.length) return false;
  const inRow = row()?.querySelector<HTMLElement>("[data-row]") ?? document.activeElement;
  const focused = rows.indexOf(inRow as HTMLElement);
  const edge = document.querySelector(".scroll")?.getBoundingClientRect().top ?? 0;
  const seen = rows.findIndex((element) => element.getBoundingClientRect().top > edge + 8);
  const start = focused >= 0 ? focused : step > 0 ? (seen < 0 ? rows.length : seen) - 1 : seen < 0 ? rows.length : seen;
  const next = rows[Math.max(0, Math.min(rows.length - 1, start + step))];
  if (next && !next.matches("a")) next.tabIndex = -1;
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: next.matches("a") ? "nearest" : "start" });
  return true;
}

/** Answers what the focused row asks. Without one, the first that asks gets the focus, no more. */
function answer(result: "allow" | "deny", key: string): boolean {
  if (document.getElementById("list")) {
    const here = row();
    if (here) return click(`[data-answer=${result}]`, here) || click("[data-answer=look]", here);
    const first = document.querySelector<HTMLElement>(".item.is-needs [data-row]");
    first?.focus();
    return first !== null;
  }
  return click(`[data-ask] [data-key="${key}"]`);
}

function act(...verbs: string[]): boolean {
  const here = row();
  return here !== null && verbs.some((verb) => click(`[data-act=${verb}]`, here));
}

function write(): boolean {
  const field = document.querySelector<HTMLElement>("[data-find]") ?? document.querySelector<HTMLElement>("[data-grow]");
  field?.focus();
  return field !== null;
}

const actions: Record<string, () => boolean> = {
  n: () => click('[data-key="n"]'),
  h: () => click(".brand"),
  a: () => click('[data-key="a"]'),
  t: () => click("[data-theme-toggle]"),
  g: () => click("#latest"),
  y: () => answer("allow", "y"),
  N: () => answer("deny", "N"),
  c: () => click('.blocks [data-key="c"]'),
  j: () => move(1),
  k: () => move(-1),
  o: () => click(".peek > summary", row() ?? document.createElement("i")),
  p: () => act("pin", "unpin"),
  r: () => rename(row()),
  e: () => act("archive", "unarchive"),
  d: () => act("trash"),
  "/": write,
  "?": () => {
    document.querySelector<HTMLDialogElement>("#keys")?.showModal();
    return true;
  },
  Escape: () => click('[data-key="Escape"]'),
};

export function listenToKeys(): void {
  if (/Mac|iPhone|iPad/.test(navigator.userAgent)) {
    for (const key of document.querySelectorAll("[data-mod]")) key.textContent = "⌘";
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open], :popover-open")) return;
    if (isWriting(event.target)) {
      if (event.key === "Escape") (event.target as HTMLElement).blur();
      return;
    }
    if (actions[event.key]?.()) event.preventDefault();
  });
}
