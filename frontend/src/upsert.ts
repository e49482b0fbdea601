// The swap "upsert": an element that is there already is changed, another one is put in its place.
// Whatever arrives twice, or after a break, therefore does no harm.
//
// data-at is an element's place among its neighbours ("open": at the end), data-in the id of the
// element that it belongs into if that isn't the target.
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
  while (before && placeOf(before) > at) before = before.previousElementSibling;
  if (before) before.after(element);
  else if (olderIsWelcome || !parent.firstElementChild || !earlierIsHidden()) parent.prepend(element);
}

/** Whether the page begins in the middle: what is older comes when the reader gets there. */
function earlierIsHidden(): boolean {
  return document.querySelector("#older[hx-get]") !== null;
}

function change(old: Element, fresh: Element): void {
  const hasMoved = old.getAttribute("data-at") !== fresh.getAttribute("data-at");
  const fragment = document.createDocumentFragment();
  fragment.append(fresh);
  morph(old, fragment, false);
  const next = old.nextElementSibling;
  if (hasMoved && next && old.parentElement) {
    const parent = old.parentElement;
    old.remove();
    insert(old, parent, true);
  }
}

const upsert: Extension = {
  init: (api) => {
    morph = api.morph;
  },
  handle_swap: (style, target, fragment, spec) => {
    if (style !== "upsert") return false;
    if (spec["prune"]) {
      for (const draft of target.querySelectorAll(':scope > [data-at="open"]')) {
        if (!fragment.querySelector(`#${CSS.escape(draft.id)}`)) draft.remove();
      }
    }
    return [...fragment.children].map((fresh) => {
      const old = document.getElementById(fresh.id);
      if (old) {
        change(old, fresh);
        return old;
      }
      const home = document.getElementById(fresh.getAttribute("data-in") ?? "") ?? target;
      insert(fresh, home, Boolean(spec["older"]));
      return fresh;
    });
  },
};

htmx.registerExtension("upsert", upsert);
