// The transcript's scroll position: it follows the end as long as the reader is there, and what the
// reader looks at never moves, whatever arrives above or below.

const NEAR = 48; // pixels from the end that still count as being there
const BY_HAND = 600; // milliseconds after a wheel, touch or key in which a scroll is the reader's

export function keepPlace(): void {
  const box = document.getElementById("scroll");
  const blocks = document.getElementById("blocks");
  const latest = document.getElementById("latest");
  if (!box || !blocks) return;

  let isFollowing = true;
  let handAt = 0;
  let anchor: { element: Element; top: number } | null = null;

  const distance = () => box.scrollHeight - box.scrollTop - box.clientHeight;
  const toEnd = () => {
    box.scrollTop = box.scrollHeight;
  };
  const show = () => {
    if (latest) latest.hidden = isFollowing || distance() < NEAR;
  };

  /** Remembers the first block in view, and where in the view it is. */
  const remember = () => {
    const top = box.getBoundingClientRect().top;
    for (const element of blocks.children) {
      const place = element.getBoundingClientRect();
      if (place.bottom > top) {
        anchor = { element, top: place.top };
        return;
      }
    }
    anchor = null;
  };

  const settle = () => {
    if (isFollowing) toEnd();
    else if (anchor?.element.isConnected) {
      const moved = anchor.element.getBoundingClientRect().top - anchor.top;
      if (Math.abs(moved) >= 1) box.scrollTop += moved;
    }
    show();
  };

  for (const name of ["wheel", "touchmove", "pointerdown", "keydown"]) {
    addEventListener(name, () => (handAt = performance.now()), { capture: true, passive: true });
  }
  box.addEventListener(
    "scroll",
    () => {
      // Scrolling that the page does by itself (content grew or shrank) changes nothing.
      if (performance.now() - handAt < BY_HAND) isFollowing = distance() < NEAR;
      remember();
      show();
    },
    { passive: true },
  );
  const observer = new ResizeObserver(settle);
  observer.observe(blocks);
  observer.observe(box);
  document.addEventListener("toggle", remember, true);
  latest?.addEventListener("click", () => {
    isFollowing = true;
    toEnd();
    show();
  });
  document.addEventListener("loop:sent", () => {
    isFollowing = true;
    toEnd();
  });
  toEnd();
}
