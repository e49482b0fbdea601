// Light, dark, or as the system has it. The choice is a cookie, so that the server draws the page
// in it from the start.

export type Theme = "light" | "dark" | "system";

export function setTheme(theme: Theme): void {
  const root = document.documentElement;
  if (theme === "system") delete root.dataset["theme"];
  else root.dataset["theme"] = theme;
  const age = theme === "system" ? 0 : 31_536_000;
  document.cookie = `theme=${theme}; path=/; max-age=${age}; samesite=lax`;
  const chosen = document.querySelector<HTMLInputElement>(`input[name="theme"][value="${theme}"]`);
  if (chosen) chosen.checked = true;
}

export function prepareTheme(): void {
  document.querySelector("[data-theme-toggle]")?.addEventListener("click", () => {
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const shown = document.documentElement.dataset["theme"] ?? system;
    const next = shown === "dark" ? "light" : "dark";
    setTheme(next === system ? "system" : next);
  });
  document.addEventListener("change", (event) => {
    const input = event.target as HTMLInputElement;
    if (input.name === "theme") setTheme(input.value as Theme);
  });
}
