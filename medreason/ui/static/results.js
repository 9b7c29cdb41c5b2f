/* A number of the table leads to its cases, a case to its texts: the click is handed to a hidden field of the
   page, which asks the server. No data is read or sent here. */
(() => {
  "use strict";

  let clicks = 0;

  const hand = (id, value) => {
    const field = document.querySelector(`#${id} textarea, #${id} input`);
    if (!field) return;
    const kind = field instanceof HTMLTextAreaElement ? HTMLTextAreaElement : HTMLInputElement;
    // Gradio follows the field's own setter; the count makes a second click on the same number a change.
    Object.getOwnPropertyDescriptor(kind.prototype, "value").set.call(field, `${value} ${(clicks += 1)}`);
    field.dispatchEvent(new Event("input", { bubbles: true }));
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-drill], [data-case]");
    if (!button) return;
    if (button.dataset.drill) hand("results-cell", button.dataset.drill);
    else hand("results-chosen", button.dataset.case);
    const place = document.querySelector(button.dataset.drill ? "#results-cases" : "#results-texts");
    if (place) place.scrollIntoView({ block: "start" });
  });
})();
