// The message field: grows with its text, Enter sends, an unsent text survives a reload.
import { Attachments } from "./attach";
import { completeFiles } from "./mention";

const DIGITS = "0123456789abcdefghjkmnpqrstvwxyz";

/** A new id for what is sent, so that sending it twice stores it once. */
export function newEventId(): string {
  let time = Date.now();
  let id = "";
  for (let n = 0; n < 10; n += 1, time = Math.floor(time / 32)) id = DIGITS[time % 32] + id;
  for (const byte of crypto.getRandomValues(new Uint8Array(16))) id += DIGITS[byte % 32];
  return `sevt_${id}`;
}

function grow(field: HTMLTextAreaElement): void {
  if (CSS.supports("field-sizing", "content")) return;
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight}px`;
}

function isTouch(): boolean {
  return matchMedia("(pointer: coarse) and (hover: none)").matches;
}

/** Enter sends, except on a phone, while composing a character, or with Shift. */
function sendOnEnter(event: KeyboardEvent): void {
  const field = event.target;
  if (!(field instanceof HTMLTextAreaElement) || !field.hasAttribute("data-grow")) return;
  const plain = event.key === "Enter" && !event.shiftKey && !event.isComposing && !event.defaultPrevented;
  if (!plain || (isTouch() && !event.metaKey && !event.ctrlKey)) return;
  event.preventDefault();
  if (field.value.trim() || field.form?.querySelector(".attached")) field.form?.requestSubmit();
}

/** In an empty field, the arrow up brings back what was said before, the arrow down what came after. */
function recall(field: HTMLTextAreaElement): void {
  let at = 0;
  let shown = "";
  field.addEventListener("keydown", (event) => {
    const step = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!step || event.defaultPrevented || (field.value && field.value !== shown)) return;
    if (!field.value) at = 0;
    const said = [...document.querySelectorAll("#blocks > .user .said")].map((node) => node.textContent ?? "");
    at = Math.max(0, Math.min(said.length, at + step));
    shown = said[said.length - at] ?? "";
    if (shown === field.value) return;
    field.value = shown;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.setSelectionRange(shown.length, shown.length);
    event.preventDefault();
  });
}

/** Keeps unsent text per page, and clears the field as soon as its text is on its way. */
function keepDrafts(form: HTMLFormElement, place: string): void {
  const field = form.querySelector("textarea");
  const id = form.querySelector<HTMLInputElement>("#event-id");
  if (!field || !id) return;
  const key = `draft:${place}`;
  const save = () => {
    if (field.value) localStorage.setItem(key, field.value);
    else localStorage.removeItem(key);
  };
  if (!field.value) field.value = localStorage.getItem(key) ?? "";
  grow(field);
  field.addEventListener("input", save);

  const attached = new Attachments(form, `files:${place}`);
  let sent: { text: string; id: string; files: Attachments["all"] } | null = null;
  form.addEventListener("htmx:config:request", () => {
    sent = { text: field.value, id: id.value, files: attached.all };
    id.value = newEventId();
    field.value = "";
    attached.set([]);
    grow(field);
    document.dispatchEvent(new CustomEvent("loop:sent"));
  });
  const failed = () => {
    // The same id again: if the message did arrive, it isn't stored twice.
    if (sent && !field.value) {
      [field.value, id.value] = [sent.text, sent.id];
      attached.set(sent.files);
    }
    grow(field);
    save();
  };
  form.addEventListener("htmx:response:error", failed);
  form.addEventListener("htmx:error", failed);
  form.addEventListener("htmx:after:request", () => {
    if (!field.value) localStorage.removeItem(key);
  });
}

export function prepareComposer(): void {
  document.addEventListener("keydown", sendOnEnter);
  document.addEventListener("input", (event) => {
    if (event.target instanceof HTMLTextAreaElement) grow(event.target);
  });
  // A form that leads to another page must not be sent twice by an impatient hand.
  document.addEventListener("submit", (event) => {
    const form = event.target as HTMLFormElement;
    if (form.hasAttribute("hx-post") || form.method === "dialog") return;
    if (form.dataset["sent"]) event.preventDefault();
    form.dataset["sent"] = "yes";
    setTimeout(() => delete form.dataset["sent"], 4000);
  });
  const session = document.querySelector<HTMLElement>("[data-session]")?.dataset["session"];
  const form = document.querySelector<HTMLFormElement>("#composer");
  const field = form?.querySelector("textarea");
  if (!form || !session || !field) return;
  completeFiles(field, session);
  keepDrafts(form, session);
  recall(field);
}
