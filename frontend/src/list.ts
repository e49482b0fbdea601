// The list of sessions: peeks that load when they are opened, titles edited in place, live search.
import { htmx } from "./htmx";
import { refreshPeek } from "./upsert";

/** The address says which row is open, so that a reload shows the same. */
function keepInAddress(name: string, value: string): void {
  const address = new URL(location.href);
  if (value) address.searchParams.set(name, value);
  else address.searchParams.delete(name);
  history.replaceState(history.state, "", address);
}

function preparePeeks(): void {
  document.addEventListener(
    "toggle",
    (event) => {
      const peek = event.target;
      if (!(peek instanceof HTMLDetailsElement) || !peek.matches(".peek")) return;
      const id = peek.dataset["peek"] ?? "";
      if (peek.open) {
        refreshPeek(peek);
        keepInAddress("peek", id);
      } else if (new URLSearchParams(location.search).get("peek") === id) keepInAddress("peek", "");
    },
    true,
  );
}

/** Turns a row's title into a field. Enter keeps what is written, Escape the old title. */
export function rename(row: Element | null): boolean {
  const title = row?.querySelector<HTMLElement>("[data-title]");
  const link = title?.closest("a");
  if (!row || !title || !link || row.querySelector(".rename")) return false;
  const field = document.createElement("input");
  field.className = "rename";
  field.maxLength = 200;
  field.value = title.textContent ?? "";
  field.setAttribute("aria-label", "Title");
  const id = row.id.slice(2);
  let isDone = false;
  const end = (keep: boolean) => {
    if (isDone) return;
    isDone = true;
    const text = field.value.trim();
    row.removeAttribute("hx-morph-skip");
    field.remove();
    link.hidden = false;
    link.focus();
    if (!keep || !text || text === title.textContent) return;
    title.textContent = text;
    htmx.ajax("POST", `/sessions/${id}/rename`, { values: { title: text }, swap: "none", source: link });
  };
  field.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.isComposing) end(true);
    else if (event.key === "Escape") end(false);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  field.addEventListener("blur", () => end(true));
  // While it is edited the row must not change under the hand.
  row.setAttribute("hx-morph-skip", "");
  link.hidden = true;
  link.after(field);
  field.select();
  field.focus();
  return true;
}

function prepareSearch(): void {
  const field = document.querySelector<HTMLInputElement>("[data-find]");
  field?.addEventListener("input", () => keepInAddress("q", field.value.trim()));
  field?.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !field.value) return;
    event.stopPropagation();
    field.value = "";
    field.dispatchEvent(new Event("input", { bubbles: true }));
  });
}

export function prepareList(): void {
  preparePeeks();
  prepareSearch();
  document.addEventListener("click", (event) => {
    const button = (event.target as Element).closest<HTMLElement>("[data-rename]");
    if (button) rename(button.closest(".item"));
  });
  document.addEventListener("dblclick", (event) => {
    const row = (event.target as Element).closest(".item");
    if (row && (event.target as Element).closest("[data-title]")) rename(row);
  });
}
