// Replies from the list: what is written is kept per session, as on the session's own page.
import { newEventId } from "./composer";

function fieldOf(event: Event): HTMLTextAreaElement | null {
  const form = (event.target as Element | null)?.closest?.<HTMLFormElement>("form.reply");
  return form?.querySelector("textarea") ?? null;
}

function key(field: HTMLTextAreaElement): string {
  return `draft:${field.form?.dataset["draft"]}`;
}

function keep(field: HTMLTextAreaElement): void {
  if (field.value) localStorage.setItem(key(field), field.value);
  else localStorage.removeItem(key(field));
}

function restore(): void {
  for (const field of document.querySelectorAll<HTMLTextAreaElement>("form.reply:not([data-kept]) textarea")) {
    field.form?.setAttribute("data-kept", "");
    field.value ||= localStorage.getItem(key(field)) ?? "";
  }
}

export function prepareReplies(): void {
  restore();
  document.addEventListener("htmx:after:swap", restore);
  document.addEventListener("input", (event) => {
    const field = fieldOf(event);
    if (field) keep(field);
  });
  let sent: { text: string; id: string } | null = null;
  document.addEventListener("htmx:config:request", (event) => {
    const field = fieldOf(event);
    const id = field?.form?.querySelector<HTMLInputElement>("[name=event_id]");
    if (!field || !id) return;
    sent = { text: field.value, id: id.value };
    field.value = "";
    id.value = newEventId();
    keep(field);
  });
  for (const name of ["htmx:response:error", "htmx:error"]) {
    document.addEventListener(name, (event) => {
      const field = fieldOf(event);
      const id = field?.form?.querySelector<HTMLInputElement>("[name=event_id]");
      if (!field || !id || !sent || field.value) return;
      // The same id again: if the message did arrive, it isn't stored twice.
      [field.value, id.value] = [sent.text, sent.id];
      keep(field);
    });
  }
}
