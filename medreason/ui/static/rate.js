/* Scales by keyboard. Gradio names each radio button apart, so the browser sees no group: arrows, digits and
   one Tab stop a scale come from here. No data is read or sent. */
(() => {
  "use strict";

  const options = (scale) => [...scale.querySelectorAll("input[type=radio]")];
  const scales = () => [...document.querySelectorAll(".rate-scale")].filter((s) => s.offsetParent !== null);

  const setName = (scale) => {
    const group = scale.matches("fieldset") ? scale : scale.querySelector("fieldset") || scale;
    const title = scale.querySelector("[data-testid=block-info]");
    if (group.getAttribute("role") !== "radiogroup") group.setAttribute("role", "radiogroup");
    const name = title ? title.textContent.trim() : "";
    if (name && group.getAttribute("aria-label") !== name) group.setAttribute("aria-label", name);
  };

  const setStops = (scale) => {
    const all = options(scale);
    const stop = all.find((o) => o === document.activeElement) || all.find((o) => o.checked) || all[0];
    for (const option of all) {
      const wanted = option === stop ? 0 : -1;
      if (option.tabIndex !== wanted) option.tabIndex = wanted;
    }
  };

  const goOn = (scale) => {
    const all = scales();
    const next = all[all.indexOf(scale) + 1];
    const target = next
      ? options(next).find((o) => o.checked) || options(next)[0]
      : document.querySelector("button.rate-save, .rate-save button");
    if (target) { target.focus(); (next || target).scrollIntoView({ block: "nearest" }); }
  };

  document.addEventListener("keydown", (event) => {
    const scale = event.target.closest?.(".rate-scale");
    if (!scale || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter") { event.preventDefault(); goOn(scale); return; }
    const all = options(scale);
    const at = all.indexOf(document.activeElement);
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    let target = null;
    if (/^[0-9]$/.test(event.key)) {
      const digit = Number(event.key);
      target = digit === 0 ? all[all.length - 1] : digit < all.length ? all[digit - 1] : null;
    } else if (step) {
      target = all[(at + step + all.length) % all.length];
    }
    if (target) { event.preventDefault(); target.click(); target.focus(); setStops(scale); }
  });

  let due = false;
  const mend = () => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => {
      due = false;
      for (const scale of document.querySelectorAll(".rate-scale")) { setName(scale); setStops(scale); }
    });
  };
  document.addEventListener("change", mend, true);
  document.addEventListener("focusin", (event) => { if (event.target.closest?.(".rate-scale")) mend(); });
  new MutationObserver(mend).observe(document.documentElement, { childList: true, subtree: true });
})();
