/* The rating sheet: keys, what was given, time at work, reading position. It hands drafts and the finished form
   to rate_send.js and keeps everything in the page until the program has said that it is saved. */
(() => {
  "use strict";

  const IDLE_MS = 60_000;
  const local = new Map(); // a sheet drawn again goes on with what this page holds, not with an older draft
  let current = null;
  let active = performance.now();

  const typing = (element) => Boolean(element?.closest?.("textarea, input[type=text], input:not([type]), select, [contenteditable=true]"));
  const isSeen = (element) => Boolean(element && element.isConnected && element.checkVisibility());

  class Sheet {
    constructor(node) {
      this.node = node;
      const given = JSON.parse(node.dataset.sheet);
      this.form = local.get(given.sheet) || given;
      this.form.key = given.key;
      local.clear();
      local.set(given.sheet, this.form);
      this.desk = node.querySelector(".mk-desk") && window.medreasonMarks.open(node, this.form.marks, () => this.changed());
      if (!this.desk) for (const text of node.querySelectorAll(".mk-text")) new window.medreasonMarks.Passage(text);
      this.fill();
      node.addEventListener("change", (event) => { if (!event.target.closest(".mk-desk, [data-form]")) this.changed(); });
      node.addEventListener("input", (event) => { if (event.target.matches("[data-comment], [data-reason]")) this.changed(); });
    }

    fields() { return [...this.node.querySelectorAll("fieldset.q")].filter((field) => !field.closest(".mk-desk")); }

    fill() {
      for (const field of this.fields()) {
        const value = this.form.q[field.dataset.q];
        for (const input of field.querySelectorAll("input")) input.checked = value !== undefined && input.value === String(value);
      }
      this.mark("[data-both]", (box) => { box.checked = Boolean(this.form.both); });
      this.mark("[data-comment]", (box) => { box.value = this.form.comment || ""; });
      this.mark("[data-reason]", (box) => { box.value = this.form.reason || ""; });
    }

    mark(where, act) { const found = this.node.querySelector(where); if (found) act(found); }

    changed() {
      this.form.q = {};
      for (const field of this.fields()) {
        const chosen = field.querySelector("input:checked");
        if (chosen) this.form.q[field.dataset.q] = chosen.value;
        if (this.isGiven(field)) { field.classList.remove("q-missing"); field.removeAttribute("aria-invalid"); }
      }
      this.mark("[data-both]", (box) => { this.form.both = box.checked; });
      this.mark("[data-comment]", (box) => { this.form.comment = box.value; });
      this.mark("[data-reason]", (box) => { this.form.reason = box.value; });
      if (this.desk) this.form.marks = this.desk.rows();
      this.draft();
    }

    draft() {
      this.form.at = this.at();
      window.medreasonSend.draft({ ...this.place(), form: this.form });
    }

    place() { return JSON.parse(this.node.dataset.place); }

    at() {
      const top = this.node.getBoundingClientRect().top;
      return { top: Math.round(-top), panes: [...this.node.querySelectorAll(".rate-pane")].map((pane) => Math.round(pane.scrollTop)) };
    }

    /* Back to where the reader was, if they had begun to read. */
    restore() {
      const { top = 0, panes = [] } = this.form.at || {};
      this.node.querySelectorAll(".rate-pane").forEach((pane, i) => { pane.scrollTop = panes[i] || 0; });
      if (top > 40) scrollBy({ top: this.node.getBoundingClientRect().top + top, behavior: "instant" });
    }

    isGiven(field) {
      if (field.querySelector("input:checked")) return true;
      return "tick" in field.dataset && Boolean(this.desk?.count(field.dataset.q.split(":")[0]));
    }

    lacking() { return this.fields().filter((field) => "required" in field.dataset && !this.isGiven(field)); }

    /* What has to be given still, in words; the first of it gets the focus. Nothing when the form is whole. */
    complaint() {
      const lacking = this.lacking();
      for (const field of lacking) {
        field.classList.add("q-missing");
        if (field.getAttribute("role") === "radiogroup") field.setAttribute("aria-invalid", "true");
      }
      const words = lacking.map((field) => field.getAttribute("aria-label"));
      const reason = this.node.querySelector("[data-reason]");
      if (reason && !reason.value.trim()) words.push("why you change it");
      if (!words.length) return "";
      if (lacking.length) focusOn(lacking[0]); else reason.focus();
      return `Not saved yet, still to give: ${words.join("; ")}. What you have given is kept.`;
    }
  }

  /* ---- keys ---- */
  const stops = (field) => [...(field ? field.closest("[data-stops]") : current.node).querySelectorAll("fieldset.q")]
    .filter((each) => isSeen(each) && each.closest("[data-stops]") === (field ? field.closest("[data-stops]") : current.node));

  const focusOn = (field) => {
    (field.querySelector("input:checked") || field.querySelector("input")).focus({ preventScroll: true });
    field.scrollIntoView({ block: "nearest", behavior: "instant" });
  };

  const goOn = (field) => {
    const all = stops(field);
    const next = all[all.indexOf(field) + 1];
    if (next) { focusOn(next); return; }
    const last = [...field.closest("[data-stops]").querySelectorAll("[data-last]")].find((each) => each.closest("[data-stops]") === field.closest("[data-stops]"));
    if (last) { last.focus({ preventScroll: true }); last.scrollIntoView({ block: "nearest", behavior: "instant" }); }
  };

  const firstOpen = () => stops(null).find((field) => "required" in field.dataset && !current.isGiven(field));

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    let field = event.target.closest?.("fieldset.q");
    const inSheet = current && isSeen(current.node) && (event.target === document.body || current.node.contains(event.target));
    if (!field && !inSheet) return;
    if (event.key === "Enter") {
      if (field) { event.preventDefault(); goOn(field); }
      return;
    }
    if (event.key.toLowerCase() === "b" && inSheet && !event.target.closest(".mk-desk, .mk-text")) {
      const both = current.node.querySelector("[data-both]");
      if (both) { event.preventDefault(); both.click(); }
      return;
    }
    if (!/^[0-9]$/.test(event.key)) return;
    field = field || firstOpen();
    const input = field?.querySelector(`input[aria-keyshortcuts="${event.key}"]`);
    if (!input) return;
    event.preventDefault();
    if (!input.checked) input.click();
    goOn(field);
  });

  /* ---- time at work: only while the sheet is seen and somebody moves ---- */
  for (const kind of ["pointermove", "pointerdown", "keydown", "wheel", "scroll", "touchstart"]) {
    document.addEventListener(kind, () => { active = performance.now(); }, { capture: true, passive: true });
  }
  let last = performance.now();
  setInterval(() => {
    const now = performance.now();
    const step = Math.min(now - last, 2000); // a computer that slept adds nothing
    last = now;
    if (current && isSeen(current.node) && document.visibilityState === "visible" && now - active < IDLE_MS) {
      current.form.active_ms = Math.round(current.form.active_ms + step);
    }
  }, 500);

  let reading = 0;
  document.addEventListener("scroll", () => {
    clearTimeout(reading);
    reading = setTimeout(() => { if (current && isSeen(current.node)) current.draft(); }, 1500);
  }, { capture: true, passive: true });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden" && current && isSeen(current.node)) current.draft();
  });

  window.medreasonSheet = {
    open: (node) => { current = new Sheet(node); return current; },
    current: () => (current && current.node.isConnected ? current : null),
    forget: () => { local.clear(); },
    remember: (form) => { local.set(form.sheet, form); },
  };
})();
