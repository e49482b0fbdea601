// The swap "upsert": an element that is there already is changed, another one is put in its place.
// Whatever arrives twice, or after a break, therefore does no harm. The swap "stale" tells an open
// peek that there is more to see.
//
// data-at is an element's place among its neighbours ("open": at the end), data-in the id of the
// element that it belongs into if that isn't the target. Where the target has data-homes, what has
// no home on this page isn't shown.
import { htmx, type Extension } from "./htmx";

let morph: (old: Element, fragment: DocumentFragment, inner: boolean) => void;

function placeOf(element: Element): number {
  const at = element.getAttribute("data-at");
  return at === null || at === "open" ? Infinity : Number(at);
}

/** Puts the element behind the last one that is not younger. */
function insert(element: Element, parent: Element, olderIsWelcome: boolean): void {
  const at = placeOf(element);
  let before = parent.lastElementChild;
  while (before && (before === element || placeOf(before) > at)) before = before.previousElementSibling;
  if (!before && !olderIsWelcome && parent.firstElementChild && earlierIsHidden(parent)) return;
  const next = before ? before.nextElementSibling : parent.firstElementChild;
  if (next === element) return;
  // moveBefore keeps the focus and the text that somebody is writing.
  if (element.isConnected && "moveBefore" in parent) parent.moveBefore(element, next);
  else parent.insertBefore(element, next);
}

/** Whether the transcript begins in the middle: what is older comes when the reader gets there. */
function earlierIsHidden(parent: Element): boolean {
  return parent.id === "blocks" && document.querySelector("#older[hx-get]") !== null;
}

function change(old: Element, fresh: Element, home: Element | null): void {
  const hasMoved = old.getAttribute("data-at") !== fresh.getAttribute("data-at");
  const fragment = document.createDocumentFragment();
  fragment.append(fresh);
  morph(old, fragment, false);
  const parent = home ?? old.parentElement;
  if (parent && (hasMoved || parent !== old.parentElement)) insert(old, parent, true);
}

/** The element that this one belongs into; null if there is none on this page. */
function homeOf(element: Element): Element | null {
  return document.getElementById(element.getAttribute("data-in") ?? "");
}

/** Tells the peek of a row, if it is open, that its session has gone on. */
export function refreshPeek(row: Element): void {
  const peek = row.matches("details") ? row : row.querySelector("details.peek");
  if (peek?.hasAttribute("open")) {
    peek.querySelector(".peek-body")?.dispatchEvent(new CustomEvent("loop:stale"));
  }
}

/** Changes an element's children into these. */
export function morphInto(old: Element, children: Node[]): void {
  const fragment = document.createDocumentFragment();
  fragment.append(...children);
  morph(old, fragment, true);
}

/** Removes a row; who was on it goes on at the next one. */
function leave(row: Element): void {
  const next = row.nextElementSibling ?? row.previousElementSibling;
  const hadFocus = row.contains(document.activeElement);
  row.remove();
  if (hadFocus) next?.querySelector<HTMLElement>("[data-row]")?.focus({ preventScroll: true });
}

function upsert(target: Element, fragment: DocumentFragment, spec: Record<string, unknown>): Element[] {
  if (spec["prune"]) {
    for (const draft of target.querySelectorAll(':scope > [data-at="open"]')) {
      if (!fragment.querySelector(`#${CSS.escape(draft.id)}`)) draft.remove();
    }
  }
  return [...fragment.children].flatMap((fresh) => {
    const old = document.getElementById(fresh.id);
    const home = homeOf(fresh);
    if (target.hasAttribute("data-homes") && !home) {
      if (old) leave(old);
      return [];
    }
    if (old) {
      change(old, fresh, home);
      refreshPeek(old);
      return [old];
    }
    insert(fresh, home ?? target, Boolean(spec["older"]) || home !== null);
    return [fresh];
  });
}

const extension: Extension = {
  init: (api) => {
    morph = api.morph;
  },
  handle_swap: (style, target, fragment, spec) => {
    if (style === "upsert") return upsert(target, fragment, spec);
    if (style !== "stale") return false;
    refreshPeek(target);
    return [target];
  },
};

htmx.registerExtension("upsert", extension);
