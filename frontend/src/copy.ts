// Buttons that copy a block of code, and those that close a note.

export function prepareButtons(): void {
  document.addEventListener("click", (event) => {
    const target = event.target as Element;
    const copy = target.closest("[data-copy]");
    if (copy) void copyCode(copy);
    const toast = target.closest("[data-dismiss]")?.closest(".toast");
    // After its form was sent.
    if (toast) setTimeout(() => toast.remove());
  });
}

async function copyCode(button: Element): Promise<void> {
  const code = button.closest(".code")?.querySelector("pre")?.textContent ?? "";
  const label = button.textContent;
  try {
    await navigator.clipboard.writeText(code);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed";
  }
  setTimeout(() => (button.textContent = label), 1500);
}
