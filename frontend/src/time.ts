// Times that go on by themselves: ages grow, countdowns shrink.

const UNITS: [number, string][] = [
  [86_400, "d"],
  [3600, "h"],
  [60, "m"],
];

function ago(seconds: number): string {
  for (const [length, unit] of UNITS) {
    if (seconds >= length) return `${Math.floor(seconds / length)}${unit}`;
  }
  return "now";
}

function until(seconds: number): string {
  if (seconds >= 3600) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  if (seconds >= 120) return `${Math.floor(seconds / 60)} min ${Math.floor(seconds % 60)} s`;
  return seconds > 0.5 ? `${Math.ceil(seconds)} s` : "a moment";
}

function write(selector: string, words: (seconds: number) => string, sign: number): void {
  for (const element of document.querySelectorAll<HTMLTimeElement>(selector)) {
    const seconds = (sign * (Date.now() - Date.parse(element.dateTime))) / 1000;
    const text = words(seconds);
    if (element.textContent !== text) element.textContent = text;
  }
}

/** The time of day as the reader's own clock has it. */
function localize(): void {
  for (const element of document.querySelectorAll<HTMLTimeElement>("time[data-clock]")) {
    const at = new Date(element.dateTime);
    const text = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    if (element.textContent !== text) element.textContent = text;
    if (!element.title) element.title = at.toLocaleString();
  }
}

export function keepTime(): void {
  const tick = () => {
    write("time[data-ago]", ago, 1);
    write("time[data-until]", until, -1);
    localize();
  };
  for (const element of document.querySelectorAll<HTMLTimeElement>("time[data-ago]")) {
    element.title = new Date(element.dateTime).toLocaleString();
  }
  tick();
  document.addEventListener("htmx:after:swap", localize);
  setInterval(tick, 1000);
  // What has just come shows the reader's own time at once.
  const blocks = document.getElementById("blocks");
  if (blocks) new MutationObserver(localize).observe(blocks, { childList: true });
}
