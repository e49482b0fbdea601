// The state of the live connections, told as it is: a stream that has gone silent is not "live".

export type State = "connecting" | "live" | "reconnecting" | "offline";
const SILENCE = 25_000; // the server says something at least every 10 s

interface Connection {
  reader: { cancel(): void } | null;
}

/** Follows one stream's state; `show` is told each change, with the time of the loss. */
function watch(stream: HTMLElement, show: (state: State, lostAt: number) => void): void {
  let state: State = "connecting";
  let heardAt = Date.now();
  let lostAt = 0;
  let connection: Connection | null = null;

  const enter = (next: State) => {
    if (next === "live") lostAt = 0;
    else if (!lostAt) lostAt = Date.now();
    state = next;
    show(state, lostAt);
  };
  const heard = () => {
    heardAt = Date.now();
    if (state !== "live") enter("live");
  };
  const lost = () =>
    enter(!navigator.onLine || (lostAt && Date.now() - lostAt > 10_000) ? "offline" : "reconnecting");

  stream.addEventListener("htmx:sse:after:connection", (event) => {
    connection = (event as CustomEvent<{ connection: Connection }>).detail.connection;
    heard();
  });
  stream.addEventListener("htmx:sse:before:message", heard);
  stream.addEventListener("htmx:sse:before:connection", () => {
    if (state === "live" && !document.hidden) lost();
  });
  for (const name of ["htmx:sse:error", "htmx:response:error", "htmx:error"]) {
    stream.addEventListener(name, lost);
  }
  addEventListener("offline", lost);
  setInterval(() => {
    if (document.hidden) heardAt = Date.now();
    else if (state === "live" && Date.now() - heardAt > SILENCE) {
      lost();
      connection?.reader?.cancel();
    } else if (state === "reconnecting") lost();
  }, 1000);
}

function words(state: State, lostAt: number): string {
  const since = new Date(lostAt || Date.now());
  const time = since.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return {
    connecting: "Connecting",
    live: "Live",
    reconnecting: "Reconnecting…",
    offline: `Offline since ${time}`,
  }[state];
}

function tell(lamp: HTMLElement, state: State, lostAt: number): void {
  lamp.dataset["connection"] = state;
  const place = lamp.querySelector("[data-words]");
  const text = words(state, lostAt);
  if (place && place.textContent !== text) place.textContent = text;
}

/** The session's stream has a lamp; the list's speaks up only when it is lost. */
export function watchConnections(): void {
  const lamp = document.getElementById("connection");
  const stream = document.getElementById("stream");
  if (lamp && stream) {
    watch(stream, (state, lostAt) => tell(lamp, state, lostAt));
    stream.addEventListener("gone", () => location.assign("/"));
  }
  const line = document.getElementById("line");
  const live = document.getElementById("live");
  if (!line || !live) return;
  watch(live, (state, lostAt) => {
    // A short break is nobody's concern, and a session's page has its lamp.
    line.hidden = Boolean(lamp) || state === "live" || state === "connecting" || Date.now() - lostAt < 2000;
    tell(line, state, lostAt);
  });
}
