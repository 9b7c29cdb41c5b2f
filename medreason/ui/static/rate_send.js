/* Between the Rate page and the program: all that changes the screen goes out through one hidden field, drafts
   through another, and a reply names what it answers. One act is out at a time, since replies may overtake each
   other. A save without a reply is tried again with the same key until there is one; the form stays as it is.
   When the page is loaded anew, as it is after a lost connection, the open form goes along in the tab's own
   storage for that moment alone. */
(() => {
  "use strict";

  const WAIT_MS = 8000, AGAIN_MS = 4000;
  const UNSAVED = "Not saved yet: the program does not answer. All you gave stays on this page and is sent again "
    + "every few seconds. Keep this page open.";
  const CARRIED = "medreason-rate-open";
  const SILENT = "The program does not answer. Nothing was changed; try again in a moment.";
  const QUIET = ["named", "refresh"]; // what nobody pressed takes no focus
  let pending = null;
  const waiting = [];
  let answered = null; // for the button that repeats it after a warning
  let number = Date.now();
  let acted = false; // the next new screen comes of what was pressed

  const put = (id, value) => {
    const box = document.querySelector(`#${id} textarea`);
    if (!box) return;
    Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, "value").set.call(box, JSON.stringify(value));
    box.dispatchEvent(new Event("input", { bubbles: true }));
  };

  const notice = (words, sheet) => {
    const place = (sheet || document).querySelector(".rate-notice");
    if (place && place.textContent !== words) place.textContent = words;
    return Boolean(place);
  };

  const post = () => {
    number += 1;
    pending.numbers.push(String(number));
    pending.at = performance.now();
    put("rate-send", { ...pending.payload, n: number });
  };

  const ask = (asked) => {
    const payload = { ...asked, rater: named() };
    told = payload.rater;
    const same = (one) => one.keeps ? one.payload.act === payload.act : JSON.stringify(one.payload) === JSON.stringify(payload);
    if ((pending && same(pending)) || waiting.some(same)) return; // a double click is one act
    waiting.push({ payload, numbers: [], keeps: "form" in payload && payload.act !== "leave", tries: 0 });
    document.documentElement.toggleAttribute("data-rate-busy", true);
    next();
  };

  const next = () => {
    if (pending) return;
    pending = waiting.shift() || null;
    document.documentElement.toggleAttribute("data-rate-busy", Boolean(pending));
    if (!pending) return;
    acted = !QUIET.includes(pending.payload.act);
    if (acted) notice("");
    post();
  };

  const done = () => {
    pending = null;
    notice("");
    setTimeout(next); // once the reply has reached every field
  };

  /* ---- who is rating: another name is one act more, told when it stands ---- */
  const nameBox = () => document.querySelector("#rater-name input, #rater-name textarea");
  const named = () => (nameBox()?.value || "").trim();
  let told = null; // the name under which the program was asked last
  let tabbed = false;
  const tell = () => { if (nameBox() && named() !== told) ask({ act: "named" }); };

  document.addEventListener("keydown", (event) => {
    tabbed = event.key === "Tab";
    if (event.key === "Enter" && !event.isComposing && event.target === nameBox()) tell();
  }, { capture: true });
  document.addEventListener("pointerdown", () => { tabbed = false; }, { capture: true });
  document.addEventListener("focusout", (event) => {
    if (event.target !== nameBox()) return;
    // A press carries the name itself; the screen must not change under it before it is done.
    if (tabbed || !event.relatedTarget?.closest?.("[data-act]")) tell();
  });

  /* ---- pressing ---- */
  const fieldsOf = (button) => {
    const given = {};
    for (const field of button.closest("[data-form]")?.querySelectorAll("[data-field]") || []) {
      if (field.type === "radio" && !field.checked) continue;
      given[field.dataset.field] = field.type === "checkbox" ? field.checked : field.value;
    }
    for (const field of button.closest("[data-form]")?.querySelectorAll("fieldset.q") || []) {
      given[field.dataset.q] = field.querySelector("input:checked")?.value || "";
    }
    return given;
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-act], [data-again]");
    if (!button) { if (document.activeElement !== nameBox()) tell(); return; }
    if ("again" in button.dataset) { if (answered) ask({ ...answered, identifiers_ok: true }); return; }
    const act = button.dataset.act;
    const sheet = window.medreasonSheet.current();
    const payload = { act, ...JSON.parse(button.dataset.give || "{}"), ...fieldsOf(button) };
    if (sheet && (sheet.node.contains(button) || "sheet" in button.dataset)) {
      Object.assign(payload, sheet.place());
      const saves = button.matches("[data-last]") || "sheet" in button.dataset;
      if (saves) {
        const complaint = sheet.complaint();
        if (complaint) { notice(complaint, sheet.node); return; }
      }
      if (saves || act === "leave") { sheet.form.at = sheet.at(); payload.form = sheet.form; }
    }
    ask(payload);
  });

  /* ---- replies ---- */
  setInterval(() => {
    if (!pending) return;
    const waited = performance.now() - pending.at;
    if (waited < (pending.tries ? AGAIN_MS : navigator.onLine ? WAIT_MS : 500)) return;
    if (!pending.keeps) { const said = notice(SILENT); done(); if (said) notice(SILENT); return; }
    notice(UNSAVED);
    pending.tries += 1;
    post();
  }, 500);
  addEventListener("online", () => { if (pending?.keeps) post(); });

  const hear = (reply) => {
    if (!pending || !pending.numbers.includes(reply.dataset.n)) return;
    const ok = reply.dataset.ok === "1";
    answered = pending.payload;
    if (!ok) waiting.length = 0; // first the refusal is read
    if (ok && pending.keeps) {
      window.medreasonSheet.forget();
      for (const one of waiting) delete one.payload.form; // it is saved: nothing of it is a draft
    }
    done();
  };

  /* ---- a new screen: its heading gets the focus, its sheet comes to life ---- */
  const look = () => {
    watch();
    const reply = document.querySelector("#rate-reply [data-n]");
    if (reply && !reply.heard) { reply.heard = true; hear(reply); }
    const screen = document.querySelector("#rate-stage [data-screen]");
    if (!screen || screen.begun) return;
    screen.begun = true;
    if (carried) { resume(); return; }
    const node = screen.querySelector(".rate-sheet");
    const sheet = node ? window.medreasonSheet.open(node) : null;
    const lost = document.activeElement === document.body;
    if (!acted && !lost) { if (sheet) sheet.restore(); return; }
    acted = false;
    if (!screen.checkVisibility()) return;
    const stays = node && "stay" in node.dataset;
    const head = screen.querySelector(stays ? "[data-last]" : "[data-focus]");
    if (head) head.focus({ preventScroll: true });
    if (!stays) screen.scrollIntoView({ block: "start", behavior: "instant" });
    if (sheet && !stays) sheet.restore();
  };

  /* ---- whoever comes back to the desk sees it as it is now ---- */
  let watched = null, seen = false;
  const coming = new ResizeObserver(() => {
    const now = Boolean(watched.isConnected && watched.checkVisibility());
    if (now && !seen && watched.querySelector("[data-screen=desk]")) ask({ act: "refresh" });
    seen = now;
  });
  const watch = () => {
    const stage = document.querySelector("#rate-stage");
    if (!stage || stage === watched || !stage.querySelector("[data-screen]")) return;
    coming.disconnect();
    watched = stage;
    seen = false;
    coming.observe(stage);
  };

  /* ---- a page that is loaded anew goes on where it was ---- */
  const take = () => {
    const kept = sessionStorage.getItem(CARRIED);
    sessionStorage.removeItem(CARRIED);
    return kept ? JSON.parse(kept) : null;
  };
  let carried = take();
  addEventListener("pageshow", (event) => { if (event.persisted) take(); });
  addEventListener("pagehide", () => {
    const sheet = window.medreasonSheet.current();
    if (!sheet || !sheet.node.checkVisibility()) return;
    sheet.form.at = sheet.at();
    const saving = [pending, ...waiting].find((one) => one?.keeps)?.payload || null;
    sessionStorage.setItem(CARRIED, JSON.stringify({ rater: named(), form: sheet.form, place: sheet.place(), saving }));
  });
  const resume = () => {
    const { rater, form, place, saving } = carried;
    carried = null;
    const box = nameBox();
    if (box && box.value !== rater) {
      Object.getOwnPropertyDescriptor(Object.getPrototypeOf(box), "value").set.call(box, rater);
      box.dispatchEvent(new Event("input", { bubbles: true }));
    }
    [...document.querySelectorAll("button[role=tab]")].find((tab) => tab.textContent.trim() === "Rate")?.click();
    window.medreasonSheet.remember(form);
    ask(saving ? { ...saving, form } : { act: "pair" in place ? "pair" : "open", ...place });
  };
  new MutationObserver(look).observe(document.documentElement, { childList: true, subtree: true });

  window.medreasonSend = { draft: (value) => { if (!pending) put("rate-draft", { ...value, rater: named() }); } };
})();
