// htmx, where its extensions look for it: this module must be imported before them.
// The package's own types don't cover what extensions use, so the few calls are named here.
import library from "htmx.org";

export interface Extension {
  init?: (api: { morph: (old: Element, fragment: DocumentFragment, inner: boolean) => void }) => void;
  handle_swap?: (
    style: string,
    target: Element,
    fragment: DocumentFragment,
    spec: Record<string, unknown>,
  ) => Element[] | false;
}

export const htmx = library as unknown as {
  registerExtension(name: string, extension: Extension): void;
  ajax(method: string, address: string, context: Record<string, unknown>): Promise<unknown>;
};

Object.assign(window, { htmx: library });
