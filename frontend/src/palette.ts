// The palette: one field that finds sessions, messages and commands. What it offers comes from the
// server; here are the keys, and what a chosen line does.
import { setTheme, type Theme } from "./theme";

const dialog = () => document.querySelector<HTMLDialogElement>("#palette");
const field = () => document.querySelector<HTMLInputElement>("#palette-field");
const lines = () => [...document.querySelectorAll<HTMLElement>("#palette-list [role=option]")];

export function openPalette(): void {
  const box = dialog();
  const input = field();
  if (!box || !input || box.open) return;
  document.querySelector<HTMLDialogElement>("dialog[open]")?.close();
  input.value = "";
  box.showModal();
  input.focus();
  input.dispatchEvent(new CustomEvent("loop:open"));
}

function choose(line: HTMLElement | undefined): void {
  for (const other of lines()) other.setAttribute("aria-selected", String(other === line));
  if (line) field()?.setAttribute("aria-activedescendant", line.id);
  else field()?.removeAttribute("aria-activedescendant");
  line?.scrollIntoView({ block: "nearest" });
}

function chosen(): HTMLElement | undefined {
  return lines().find((line) => line.getAttribute("aria-selected") === "true");
}

function move(step: number): void {
  const all = lines();
  const now = chosen();
  const at = now ? all.indexOf(now) + step : step > 0 ? 0 : all.length - 1;
  choose(all[(at + all.length) % all.length]);
}

function post(address: string): void {
  const form = document.createElement("form");
  form.method = "post";
  form.action = address;
  document.body.append(form);
  form.submit();
}

const scripts: Record<string, (argument: string) => void> = {
  theme: (name) => setTheme(name as Theme),
  keys: () => document.querySelector<HTMLDialogElement>("#keys")?.showModal(),
  tray: () => document.getElementById("tray")?.showPopover(),
  print: () => print(),
};

function run(line: HTMLElement | undefined, elsewhere: boolean): void {
  const { kind, act = "" } = line?.dataset ?? {};
  if (!kind) return;
  dialog()?.close();
  if (kind === "go" && elsewhere) open(act, "_blank", "noopener");
  else if (kind === "go") location.assign(act);
  else if (kind === "post") post(act);
  else {
    const [name = "", argument = ""] = act.split(":");
    scripts[name]?.(argument);
  }
}

// What is typed and not answered yet; a line is chosen only among what fits it.
let isAsking = false;
let isChosenAhead = false;

function steer(event: KeyboardEvent): void {
  const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1 };
  const step = steps[event.key];
  if (step) move(step);
  else if (event.key === "Enter" && isAsking) isChosenAhead = true;
  else if (event.key === "Enter") run(chosen(), event.ctrlKey || event.metaKey);
  else return;
  event.preventDefault();
}

export function preparePalette(): void {
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      if (dialog()?.open) dialog()?.close();
      else openPalette();
    }
  });
  document.addEventListener("click", (event) => {
    const target = event.target as Element;
    if (target.closest("[data-open=palette]")) openPalette();
    if (target === dialog()) dialog()?.close();
  });
  field()?.addEventListener("keydown", steer);
  const list = document.getElementById("palette-list");
  list?.addEventListener("click", (event) => {
    run((event.target as Element).closest<HTMLElement>("[role=option]") ?? undefined, event.ctrlKey || event.metaKey);
  });
  list?.addEventListener("pointermove", (event) => {
    const line = (event.target as Element).closest<HTMLElement>("[role=option]");
    if (line && line !== chosen()) choose(line);
  });
  field()?.addEventListener("input", () => {
    isAsking = true;
    isChosenAhead = false;
  });
  // Enter acts on the best line as soon as there is one.
  const arrived = () => {
    choose(lines()[0]);
    isAsking = false;
    if (isChosenAhead && dialog()?.open) run(chosen(), false);
    isChosenAhead = false;
  };
  if (list) new MutationObserver(arrived).observe(list, { childList: true });
}
