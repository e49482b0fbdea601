// What waits for an answer: counted in the tab's title and icon, and told aloud if somebody wants it.
//
// One tab of the browser (the one that holds a lock) keeps a stream of its own while it is hidden,
// so that a count and a notification come also when nobody looks.

const CHANNEL = "loop-asks";

interface News {
  count: number;
  fresh: { id: string; session: string; words: string }[];
}

const list = () => document.getElementById("tray-list");
const plainTitle = () => document.title.replace(/^\(\d+\) /, "");

function wants(choice: string): boolean {
  return localStorage.getItem(choice) === "yes";
}

function badge(count: number): string {
  const mark = count
    ? "<circle cx='18' cy='6' r='6' fill='%23d97706' stroke='white' stroke-width='1'/>" +
      `<text x='18' y='8.700' font-family='sans-serif' font-size='8' font-weight='700' fill='white' text-anchor='middle'>${count > 9 ? "9%2B" : count}</text>`
    : "";
  return (
    "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E" +
    encodeURI("<rect width='24' height='24' rx='6' fill='#a8451f'/><path d='M8.600 8.500C6.600 8.500 5.400 10 5.400 12s1.200 3.500 3.200 3.500c3.200 0 3.600-7 6.800-7 2 0 3.200 1.500 3.200 3.500s-1.200 3.500-3.200 3.500c-1.400 0-2.200-1.200-2.900-2.600' fill='none' stroke='white' stroke-width='2' stroke-linecap='round'/>").replaceAll("#", "%23") +
    mark.replaceAll("<", "%3C").replaceAll(">", "%3E") +
    "%3C/svg%3E"
  );
}

function show(count: number): void {
  document.title = (count ? `(${count}) ` : "") + plainTitle();
  const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (icon) icon.href = badge(count);
  for (const place of document.querySelectorAll<HTMLElement>("[data-asks]")) {
    place.textContent = String(count);
    place.hidden = !count;
  }
}

function chime(): void {
  const audio = new AudioContext();
  [660, 880].forEach((pitch, n) => {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    const at = audio.currentTime + n * 0.14;
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0, at);
    volume.gain.linearRampToValueAtTime(0.12, at + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.001, at + 0.3);
    tone.connect(volume).connect(audio.destination);
    tone.start(at);
    tone.stop(at + 0.32);
  });
  setTimeout(() => void audio.close(), 1000);
}

/** A note of the system for each new ask, unless somebody looks at its session already. */
export function notify(fresh: News["fresh"]): void {
  if (!fresh.length) return;
  if (wants("sound")) chime();
  if (!wants("notify") || !("Notification" in window) || Notification.permission !== "granted") return;
  for (const { id, session, words } of fresh.slice(0, 3)) {
    try {
      const note = new Notification("Claude needs your answer", { body: words, tag: id });
      note.onclick = () => {
        window.focus();
        location.assign(`/sessions/${session}`);
        note.close();
      };
    } catch {
      return; // some phones allow notes from service workers alone
    }
  }
}

function asks(root: ParentNode): News["fresh"] {
  return [...root.querySelectorAll<HTMLElement>("#tray-list > li, li.plea")].map((item) => ({
    id: item.id,
    session: item.dataset["session"] ?? "",
    words: item.dataset["words"] ?? "",
  }));
}

/** While this tab is hidden its page's stream rests: another one, for the asks alone, stands in. */
function standIn(known: Set<string>, tell: (news: News) => void): void {
  let source: EventSource | null = null;
  const follow = () => {
    source?.close();
    source = null;
    if (!document.hidden) return;
    source = new EventSource("/live/asks");
    source.addEventListener("asks", (event) => {
      const found = asks(new DOMParser().parseFromString((event as MessageEvent<string>).data, "text/html"));
      const fresh = found.filter((ask) => !known.has(ask.id));
      fresh.forEach((ask) => known.add(ask.id));
      tell({ count: found.length, fresh });
    });
  };
  document.addEventListener("visibilitychange", follow);
  follow();
}

export function keepTray(): void {
  const items = list();
  if (!items) return;
  const known = new Set(asks(document).map((ask) => ask.id));
  const here = document.querySelector<HTMLElement>("[data-session]")?.dataset["session"];
  const announce = document.getElementById("announce");
  const channel = "BroadcastChannel" in window ? new BroadcastChannel(CHANNEL) : null;

  const changed = () => {
    const now = asks(document);
    const fresh = now.filter((ask) => !known.has(ask.id));
    fresh.forEach((ask) => known.add(ask.id));
    show(now.length);
    if (announce && fresh.length) announce.textContent = fresh.map((ask) => ask.words).join(". ");
    if (!document.hidden) notify(fresh.filter((ask) => ask.session !== here));
  };
  new MutationObserver(changed).observe(items, { childList: true });
  show(known.size);

  channel?.addEventListener("message", (event: MessageEvent<number>) => {
    if (document.hidden) show(event.data);
  });
  const lead = () =>
    standIn(known, ({ count, fresh }) => {
      show(count);
      channel?.postMessage(count);
      notify(fresh);
    });
  // The lock is held for as long as the tab lives; then another one leads.
  if ("locks" in navigator) {
    void navigator.locks.request(CHANNEL, () => {
      lead();
      return new Promise<void>(() => {});
    });
  }
}

/** The two choices on the settings page; a browser asks its person before the first. */
export function prepareChoices(): void {
  for (const box of document.querySelectorAll<HTMLInputElement>("input[data-choice]")) {
    const name = box.dataset["choice"] ?? "";
    box.checked = wants(name) && (name !== "notify" || Notification.permission === "granted");
    box.addEventListener("change", () => void choose(box, name));
  }
  document.querySelector("[data-try-notice]")?.addEventListener("click", () => {
    notify([{ id: "try", session: "", words: "This is how it looks and sounds." }]);
  });
}

async function choose(box: HTMLInputElement, name: string): Promise<void> {
  if (box.checked && name === "notify") {
    const answer = "Notification" in window ? await Notification.requestPermission() : "denied";
    const note = document.getElementById("notify-note");
    if (note) note.hidden = answer === "granted";
    if (answer !== "granted") box.checked = false;
  }
  localStorage.setItem(name, box.checked ? "yes" : "no");
  if (box.checked && name === "sound") chime();
}
