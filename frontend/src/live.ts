// The list of sessions on every page: what to do when it has missed too much, or was upgraded.
import { morphInto } from "./upsert";

/** Takes these parts anew from the server, as they would be on a fresh page. */
async function renew(ids: string[]): Promise<void> {
  const answer = await fetch(location.href, { headers: { accept: "text/html" } });
  if (!answer.ok || answer.redirected) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const id of ids) {
    const [old, renewed] = [document.getElementById(id), fresh.getElementById(id)];
    if (old && renewed) morphInto(old, [...renewed.childNodes]);
  }
}

export function keepList(): void {
  const live = document.getElementById("live");
  live?.addEventListener("stale", () => void renew(["list", "sessions", "tray-list"]));
  live?.addEventListener("build", (event) => {
    const build = (event as CustomEvent<{ data: string }>).detail.data;
    const note = document.getElementById("upgraded");
    if (note) note.hidden = build === document.documentElement.dataset["build"];
  });
  document.querySelector("[data-reload]")?.addEventListener("click", () => location.reload());
}
