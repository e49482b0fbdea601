// "@" in a message completes the files of the session's folder. The list comes from the server.

const WORD = /(^|\s)@([^\s@]*)$/;

export function completeFiles(field: HTMLTextAreaElement, session: string): void {
  const list = document.createElement("ul");
  list.className = "mentions";
  list.id = "mentions";
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Files");
  list.hidden = true;
  field.form?.append(list);
  field.setAttribute("aria-controls", list.id);
  let chosen = 0;
  let asked = 0;

  const close = () => {
    list.hidden = true;
    field.removeAttribute("aria-activedescendant");
  };
  const mark = () => {
    [...list.children].forEach((item, number) => item.setAttribute("aria-selected", String(number === chosen)));
    const item = list.children[chosen];
    if (item) field.setAttribute("aria-activedescendant", item.id);
    item?.scrollIntoView({ block: "nearest" });
  };
  const insert = (path: string) => {
    const end = field.selectionStart;
    const start = end - (WORD.exec(field.value.slice(0, end))?.[2]?.length ?? 0) - 1;
    field.setRangeText(`@${path} `, start, end, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
    close();
  };
  const show = (paths: string[]) => {
    list.replaceChildren(
      ...paths.map((path, number) => {
        const item = document.createElement("li");
        item.id = `mention-${number}`;
        item.setAttribute("role", "option");
        item.textContent = path;
        item.addEventListener("pointerdown", (event) => {
          event.preventDefault();
          insert(path);
        });
        return item;
      }),
    );
    chosen = 0;
    list.hidden = !paths.length;
    mark();
  };
  field.addEventListener("input", async () => {
    const word = WORD.exec(field.value.slice(0, field.selectionStart));
    const turn = (asked += 1);
    if (!word) return close();
    const query = encodeURIComponent(word[2] ?? "");
    const answer = await fetch(`/sessions/${session}/files?q=${query}`).catch(() => null);
    if (answer?.ok && turn === asked) show((await answer.json()) as string[]);
  });
  field.addEventListener("keydown", (event) => {
    if (list.hidden) return;
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      chosen = (chosen + step + list.children.length) % list.children.length;
      mark();
    } else if (event.key === "Enter" || event.key === "Tab") {
      insert(list.children[chosen]?.textContent ?? "");
    } else if (event.key === "Escape") {
      close();
    } else return;
    event.preventDefault();
    event.stopPropagation();
  });
  field.addEventListener("blur", close);
}
