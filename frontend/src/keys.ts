// Single keys. They rest while somebody writes, and with Ctrl, Alt or Command.

function isWriting(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");
}

function click(selector: string): boolean {
  const found = document.querySelector<HTMLElement>(selector);
  found?.click();
  return found !== null;
}

/** Moves through the rows of a list, or the turns of a transcript. */
function move(step: number): boolean {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-row], .blocks > .user")];
  if (!rows.length) return false;
  const focused = rows.indexOf(document.activeElement as HTMLElement);
  const edge = document.getElementById("scroll")?.getBoundingClientRect().top ?? 0;
  const seen = rows.findIndex((row) => row.getBoundingClientRect().top > edge + 8);
  const start = focused >= 0 ? focused : step > 0 ? (seen < 0 ? rows.length : seen) - 1 : seen < 0 ? rows.length : seen;
  const next = rows[Math.max(0, Math.min(rows.length - 1, start + step))];
  if (next && !next.matches("a")) next.tabIndex = -1;
  next?.focus({ preventScroll: true });
  next?.scrollIntoView({ block: next.matches("a") ? "nearest" : "start" });
  return true;
}

const actions: Record<string, () => boolean> = {
  n: () => click('[data-key="n"]'),
  h: () => click(".brand"),
  t: () => click("[data-theme-toggle]"),
  g: () => click("#latest"),
  y: () => click('[data-ask] [data-key="y"]'),
  N: () => click('[data-ask] [data-key="N"]'),
  j: () => move(1),
  k: () => move(-1),
  "/": () => {
    const field = document.querySelector<HTMLElement>("[data-grow]");
    field?.focus();
    return field !== null;
  },
  "?": () => {
    document.querySelector<HTMLDialogElement>("#keys")?.showModal();
    return true;
  },
  Escape: () => click('[data-key="Escape"]'),
};

export function listenToKeys(): void {
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
