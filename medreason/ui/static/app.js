/* What Gradio's components leave out for keyboard and screen reader. No data is read or sent here. */
(() => {
  "use strict";

  // The arrow inside a thought's title is a nameless button inside a button; the title itself does the work.
  const mendThoughts = () => {
    for (const title of document.querySelectorAll(".mr-chat .thought-group [role=button]")) {
      const inner = title.querySelector("button");
      if (inner && !inner.inert) {
        inner.inert = true;
        inner.setAttribute("aria-label", "Show or hide the thinking");
      }
      const content = title.nextElementSibling;
      const open = String(Boolean(content && content.offsetParent !== null));
      if (title.getAttribute("aria-expanded") !== open) title.setAttribute("aria-expanded", open);
    }
  };

  // A fold's title is a button that does not say whether the fold is open.
  const mendFolds = () => {
    for (const title of document.querySelectorAll("button.label-wrap")) {
      const open = String(title.classList.contains("open"));
      if (title.getAttribute("aria-expanded") !== open) title.setAttribute("aria-expanded", open);
    }
  };

  let waiting = false;
  const soon = () => {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => { waiting = false; mendThoughts(); mendFolds(); });
  };

  document.addEventListener("click", (event) => {
    if (event.target.closest?.("button.label-wrap")) soon();
  });

  document.addEventListener("keydown", (event) => {
    const title = event.target.closest?.(".mr-chat .thought-group [role=button]");
    if (title && event.key === " ") { event.preventDefault(); title.click(); }
  });

  new MutationObserver(soon).observe(document.documentElement, { childList: true, subtree: true });
})();
