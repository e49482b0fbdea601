// Images and files that go with a message: dropped, pasted or chosen, shrunk to what the model's API
// takes, kept with the draft over a reload. The server checks them all again.

const LONGEST_SIDE = 1568; // the API makes larger images smaller anyway
const LARGEST_IMAGE = 3_500_000; // characters of base64
const LARGEST_FILE = 500_000;
const LARGEST_PDF = 5_000_000;
const MOST = 10;

interface Attachment {
  kind: "image" | "pdf" | "text";
  type: string;
  name: string;
  data: string;
}

function asBase64(file: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result).replace(/^[^,]*,/, ""));
    reader.onerror = () => reject(new Error("could not be read"));
    reader.readAsDataURL(file);
  });
}

/** The image as it is if it is small; else drawn anew, smaller. */
async function asImage(file: File): Promise<Attachment> {
  const picture = await createImageBitmap(file);
  const scale = Math.min(1, LONGEST_SIDE / Math.max(picture.width, picture.height));
  const known = /^image\/(png|jpeg|gif|webp)$/.test(file.type);
  if (scale === 1 && known && file.size < LARGEST_IMAGE * 0.7) {
    return { kind: "image", type: file.type, name: file.name, data: await asBase64(file) };
  }
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(picture.width * scale));
  canvas.height = Math.max(1, Math.round(picture.height * scale));
  canvas.getContext("2d")?.drawImage(picture, 0, 0, canvas.width, canvas.height);
  let type = file.type === "image/jpeg" ? "image/jpeg" : "image/png";
  let url = canvas.toDataURL(type, 0.9);
  if (url.length > LARGEST_IMAGE) url = canvas.toDataURL((type = "image/jpeg"), 0.85);
  return { kind: "image", type, name: file.name, data: url.replace(/^[^,]*,/, "") };
}

async function asAttachment(file: File): Promise<Attachment> {
  if (file.type.startsWith("image/") && file.type !== "image/svg+xml") return asImage(file);
  if (file.type === "application/pdf") {
    if (file.size > LARGEST_PDF) throw new Error("is larger than 5 MB");
    return { kind: "pdf", type: file.type, name: file.name, data: await asBase64(file) };
  }
  if (file.size > LARGEST_FILE) throw new Error("is larger than 500 kB");
  const text = await file.text();
  if (text.includes("\0")) throw new Error("is neither text, nor an image, nor a PDF");
  return { kind: "text", type: "text/plain", name: file.name, data: text };
}

/** Tells of a problem, as the server's own notes do. */
function tell(text: string): void {
  const note = document.createElement("div");
  note.className = "toast is-bad";
  note.setAttribute("role", "alert");
  const words = document.createElement("p");
  words.textContent = text;
  note.append(words);
  document.getElementById("toasts")?.append(note);
  setTimeout(() => note.remove(), 8000);
}

/** What a form holds besides its text. */
export class Attachments {
  private readonly box: HTMLElement;
  private items: Attachment[] = [];

  constructor(
    private readonly form: HTMLFormElement,
    private readonly key: string,
  ) {
    this.box = form.querySelector<HTMLElement>("[data-attachments]") ?? form;
    try {
      this.items = JSON.parse(localStorage.getItem(key) ?? "[]") as Attachment[];
    } catch {
      this.items = [];
    }
    this.draw();
    form.addEventListener("paste", (event) => this.take(event, event.clipboardData));
    const page = form.closest<HTMLElement>(".page") ?? form;
    page.addEventListener("dragover", (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      form.classList.add("is-target");
    });
    for (const name of ["dragleave", "drop", "dragend"]) {
      page.addEventListener(name, () => form.classList.remove("is-target"));
    }
    page.addEventListener("drop", (event) => this.take(event, event.dataTransfer));
    const chooser = form.querySelector<HTMLInputElement>("input[type=file]");
    chooser?.addEventListener("change", () => {
      void this.add([...(chooser.files ?? [])]);
      chooser.value = "";
    });
  }

  get all(): Attachment[] {
    return this.items;
  }

  set(items: Attachment[]): void {
    this.items = items;
    this.draw();
  }

  private take(event: Event, source: DataTransfer | null): void {
    const files = [...(source?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    void this.add(files);
  }

  private async add(files: File[]): Promise<void> {
    for (const file of files) {
      if (this.items.length >= MOST) return tell(`A message takes ${MOST} files at most.`);
      try {
        this.items.push(await asAttachment(file));
      } catch (error) {
        const why = error instanceof Error && /^is /.test(error.message) ? error.message : "can't be read";
        tell(`${file.name} ${why}. Put it into the session's folder instead.`);
      }
    }
    this.draw();
  }

  private draw(): void {
    try {
      if (this.items.length) localStorage.setItem(this.key, JSON.stringify(this.items));
      else localStorage.removeItem(this.key);
    } catch {
      localStorage.removeItem(this.key); // too large to be kept over a reload
    }
    const field = this.form.querySelector("textarea");
    if (field) field.required = !this.items.length;
    this.box.replaceChildren(...this.items.map((item, number) => this.chip(item, number)));
  }

  private chip(item: Attachment, number: number): HTMLElement {
    const chip = document.createElement("span");
    chip.className = "attached";
    if (item.kind === "image") {
      const image = document.createElement("img");
      image.src = `data:${item.type};base64,${item.data}`;
      image.alt = item.name;
      chip.append(image);
    } else {
      const name = document.createElement("span");
      name.textContent = item.name;
      chip.append(name);
    }
    const remove = document.createElement("button");
    remove.type = "button";
    remove.className = "quiet";
    remove.textContent = "×";
    remove.setAttribute("aria-label", `Remove ${item.name}`);
    remove.addEventListener("click", () => this.set(this.items.filter((_, other) => other !== number)));
    const value = document.createElement("input");
    value.type = "hidden";
    value.name = "attachment";
    value.value = JSON.stringify(item);
    chip.append(remove, value);
    return chip;
  }
}
