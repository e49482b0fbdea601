// The state of the live connection, told as it is: a stream that has gone silent is not "live".

type State = "connecting" | "live" | "reconnecting" | "offline";
const SILENCE = 25_000; // the server says something at least every 10 s

interface Connection {
  reader: { cancel(): void } | null;
}

export function watchConnection(): void {
  const lamp = document.getElementById("connection");
  const stream = document.getElementById("stream");
  if (!lamp || !stream) return;
  const words = lamp.querySelector("[data-words]");
  let state: State = "connecting";
  let heardAt = Date.now();
  let lostAt = 0;
  let connection: Connection | null = null;

  const show = (next: State) => {
    if (next === "live") lostAt = 0;
    else if (state === "live") lostAt = Date.now();
    state = next;
    lamp.dataset["connection"] = state;
    if (words) words.textContent = label();
  };
  const label = () => {
    const since = new Date(lostAt || Date.now());
    const time = since.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    return {
      connecting: "Connecting",
      live: "Live",
      reconnecting: "Reconnecting…",
      offline: `Offline since ${time}`,
    }[state];
  };
  const heard = () => {
    heardAt = Date.now();
    if (state !== "live") show("live");
  };
  const lost = () => show(!navigator.onLine || (lostAt && Date.now() - lostAt > 10_000) ? "offline" : "reconnecting");

  stream.addEventListener("htmx:sse:after:connection", (event) => {
    connection = (event as CustomEvent<{ connection: Connection }>).detail.connection;
    heard();
  });
  stream.addEventListener("htmx:sse:before:message", heard);
  stream.addEventListener("htmx:sse:before:connection", () => {
    if (state === "live" && !document.hidden) lost();
  });
  stream.addEventListener("htmx:sse:error", lost);
  stream.addEventListener("htmx:response:error", lost);
  stream.addEventListener("htmx:error", lost);
  stream.addEventListener("gone", () => location.assign("/"));
  addEventListener("offline", lost);
  setInterval(() => {
    if (document.hidden) heardAt = Date.now();
    else if (state === "live" && Date.now() - heardAt > SILENCE) {
      lost();
      connection?.reader?.cancel();
    } else if (state === "reconnecting") lost();
  }, 1000);
}

/** The side bar follows the session on the page at once, not at its next turn. */
export function tellOfChanges(): void {
  const head = document.getElementById("head");
  if (!head) return;
  let known = head.textContent;
  new MutationObserver(() => {
    const state = head.querySelector<HTMLElement>("#status")?.dataset["state"];
    const words = `${state} ${head.querySelector<HTMLInputElement>("#title")?.value}`;
    if (words !== known) document.dispatchEvent(new CustomEvent("loop:changed"));
    known = words;
  }).observe(head, { subtree: true, childList: true, attributes: true });
}

/** Lists ask the server now and then; a tab that nobody sees doesn't. */
export function restInBackground(): void {
  document.addEventListener("htmx:before:request", (event) => {
    const asks = (event.target as Element | null)?.matches?.("#list, #sessions");
    if (asks && document.hidden) event.preventDefault();
  });
}
