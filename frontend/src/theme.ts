// Light, dark, or as the system has it. The choice is a cookie, so that the server draws the page
// in it from the start.

export function prepareTheme(): void {
  document.querySelector("[data-theme-toggle]")?.addEventListener("click", () => {
    const root = document.documentElement;
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const next = (root.dataset["theme"] ?? system) === "dark" ? "light" : "dark";
    if (next === system) delete root.dataset["theme"];
    else root.dataset["theme"] = next;
    const age = next === system ? 0 : 31_536_000;
    document.cookie = `theme=${next}; path=/; max-age=${age}; samesite=lax`;
  });
}
