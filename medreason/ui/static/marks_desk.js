/* Making, changing and removing marks: the small panel at the foot of the page, and the lists below the texts.
   Draws at once; what was marked is asked for by rate.js. */
(() => {
  "use strict";

  const { Passage, selection, passageOf, enterCaret, leaveCaret } = window.medreasonMarks;
  const HIGHLIGHT = "medreason-marking";
  const shorten = (words, most) => (words.length > most ? `${words.slice(0, most - 1)}…` : words);

  class MarkDesk {
    /* `sheet` holds texts, lists and panel; `changed` is called after every change of `marks`. */
    constructor(sheet, rows, changed) {
      Object.assign(this, { sheet, changed, marks: [], now: null, last: 0 });
      this.desk = sheet.querySelector(".mk-desk");
      this.kinds = JSON.parse(this.desk.dataset.kinds);
      this.passages = [...sheet.querySelectorAll(".mk-text")].map((node) => node.passage || new Passage(node));
      for (const row of rows) this.marks.push({ ...row, id: (this.last += 1) });
      this.draw();
      this.listen();
    }

    rows() { return this.marks.map(({ id, ...row }) => row); }

    count(side) { return this.marks.filter((mark) => mark.side === side).length; }

    passage(side, target) { return this.passages.find((each) => each.side === side && each.target === target); }

    field(name) { return this.desk.querySelector(`[data-q="${name}"]`); }

    chosen(name) { return this.field(name).querySelector("input:checked")?.value; }

    choose(name, value) {
      for (const input of this.field(name).querySelectorAll("input")) input.checked = input.value === String(value);
    }

    listen() {
      const { sheet, desk } = this;
      sheet.addEventListener("click", (event) => {
        const button = event.target.closest("button");
        if (button?.dataset.omission) this.open({ side: button.dataset.omission, omission: true, back: button }, true);
        else if (button?.dataset.edit) this.edit(Number(button.dataset.edit), button);
        else if (button?.dataset.remove) this.remove(Number(button.dataset.remove));
        else if (button?.dataset.mark === "keep") this.keep();
        else if (button?.dataset.mark === "cancel") this.close();
        else if (getSelection().isCollapsed && event.target.closest("mark.mk")) this.edit(Number(event.target.closest("mark.mk").dataset.marks.split(" ").pop()), null);
      });
      sheet.addEventListener("keydown", (event) => this.key(event));
      sheet.addEventListener("mk-redraw", () => this.draw());
      sheet.addEventListener("focusout", (event) => {
        const passage = passageOf(event.target);
        if (passage && event.target === passage.node && !desk.contains(event.relatedTarget)) leaveCaret(passage.node);
      });
    }

    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Escape" && !this.desk.hidden) { event.preventDefault(); this.close(); return; }
      const passage = passageOf(event.target);
      if (!passage || event.target !== passage.node) return;
      const caret = passage.node.getAttribute("contenteditable") === "true";
      if (event.key === "Escape" && caret) { leaveCaret(passage.node); passage.node.focus(); return; }
      if (event.key.toLowerCase() !== "m") return;
      event.preventDefault();
      const words = caret || !getSelection().isCollapsed ? selection() : null;
      if (words && words.passage === passage) this.open({ ...words, back: passage.node }, true);
      else enterCaret(passage.node);
    }

    /* Words were selected by mouse or touch: the panel comes up and leaves the focus where it is. */
    offer() {
      if (this.desk.contains(document.activeElement) && !this.desk.hidden) return;
      const words = selection();
      if (!words || !this.passages.includes(words.passage)) {
        if (this.now && !this.now.id && !this.now.omission && !this.touched()) this.close(false);
        return;
      }
      if (words.passage.node.getAttribute("contenteditable") === "true") return;
      this.open({ ...words, back: words.passage.node }, false);
    }

    touched() { return Boolean(this.desk.querySelector("input:checked") || this.desk.querySelector("textarea").value); }

    edit(id, back) {
      const mark = this.marks.find((each) => each.id === id);
      if (!mark) return;
      const passage = this.passage(mark.side, mark.target);
      this.open({ ...mark, passage, omission: mark.type === "omission", back: back || passage?.node }, true);
    }

    open(now, takeFocus) {
      const fresh = !this.now || this.now.id !== now.id || Boolean(this.now.omission) !== Boolean(now.omission);
      this.now = now;
      if (fresh || now.id) {
        for (const name of ["type", "severity", "basis"]) this.choose(`mk-${name}`, now[name]);
        this.desk.querySelector("textarea").value = now.note || "";
      }
      this.field("mk-type").hidden = Boolean(now.omission);
      const quote = now.omission ? `Missing on the ${now.side}` : `${now.passage.name}: “${shorten(now.passage.quote(now.start, now.end), 160)}”`;
      this.desk.querySelector(".mk-quote").textContent = quote;
      this.desk.querySelector("[data-mark=keep]").textContent = now.id ? "Change the mark" : "Add the mark";
      this.say("");
      this.desk.hidden = false;
      this.highlight();
      if (takeFocus) this.stops()[0].querySelector("input:checked, input").focus();
    }

    stops() { return [...this.desk.querySelectorAll("fieldset.q")].filter((field) => !field.hidden); }

    say(words) { this.desk.querySelector(".rate-buttons .mr-note").textContent = words; }

    /* Shows which words are meant without touching the page. Where the browser cannot, its own selection does. */
    highlight() {
      if (!window.Highlight || !CSS.highlights) return;
      CSS.highlights.delete(HIGHLIGHT);
      const { passage, start, end, omission } = this.now || {};
      if (!passage || omission) return;
      const range = document.createRange();
      range.setStart(...this.spot(passage, passage.units[start]));
      range.setEnd(...this.spot(passage, passage.units[end]));
      CSS.highlights.set(HIGHLIGHT, new Highlight(range));
    }

    /* Text node and offset at a UTF-16 unit of a passage. */
    spot(passage, unit) {
      let found = [passage.node, 0];
      for (const paragraph of passage.node.children) {
        let at = passage.units[Number(paragraph.dataset.start)];
        if (at > unit) break;
        const walker = document.createTreeWalker(paragraph, NodeFilter.SHOW_TEXT);
        for (let node = walker.nextNode(); node; node = walker.nextNode()) {
          found = [node, Math.min(unit - at, node.data.length)];
          if (unit <= at + node.data.length) return found;
          at += node.data.length;
        }
      }
      return found;
    }

    keep() {
      const open = this.stops().find((field) => !field.querySelector("input:checked"));
      if (open) { this.say(`Still to say: ${open.getAttribute("aria-label").toLowerCase()}`); open.querySelector("input").focus(); return; }
      const { now } = this;
      if (!now.id && this.marks.length >= Number(this.desk.dataset.most)) { this.say(`Keep to ${this.desk.dataset.most} marks a case.`); return; }
      const target = now.omission ? this.passage(now.side, "answer") || this.passage(now.side, "trace") : now.passage;
      const mark = {
        side: target.side, target: target.target, sha256: target.sha256,
        start: now.omission ? 0 : now.start, end: now.omission ? 0 : now.end,
        quote: now.omission ? "" : target.quote(now.start, now.end),
        type: now.omission ? "omission" : this.chosen("mk-type"),
        severity: Number(this.chosen("mk-severity")), basis: this.chosen("mk-basis"),
        note: this.desk.querySelector("textarea").value.trim(), id: now.id || (this.last += 1),
      };
      if (now.id) this.marks[this.marks.findIndex((each) => each.id === now.id)] = mark;
      else this.marks.push(mark);
      this.draw();
      this.changed();
      this.close(true, mark);
    }

    /* `mark`: the one just kept; a caret goes on behind it. */
    close(giveFocus = true, mark = null) {
      const back = this.now?.back;
      const passage = back && passageOf(back);
      this.now = null;
      this.desk.hidden = true;
      this.choose("mk-type"); this.choose("mk-severity"); this.choose("mk-basis");
      this.desk.querySelector("textarea").value = "";
      this.highlight();
      if (!giveFocus) return;
      const target = back && back.isConnected ? back : mark && this.list(mark.side).querySelector(`[data-edit="${mark.id}"]`);
      (target || this.sheet.querySelector("[data-focus]")).focus({ preventScroll: true });
      if (mark && passage && back.getAttribute("contenteditable") === "true") getSelection().collapse(...this.spot(passage, passage.units[mark.end]));
      else if (mark) getSelection().removeAllRanges();
    }

    remove(id) {
      const at = this.marks.findIndex((mark) => mark.id === id);
      if (at < 0) return;
      const { side } = this.marks[at];
      const place = this.marks.slice(0, at).filter((mark) => mark.side === side).length;
      this.marks.splice(at, 1);
      if (this.now?.id === id) this.close(false);
      this.draw();
      this.changed();
      const left = this.list(side).querySelectorAll("[data-remove]");
      (left[Math.min(place, left.length - 1)] || this.list(side)).focus({ preventScroll: true });
    }

    list(side) { return this.sheet.querySelector(`.mk-tools[data-side="${side}"] .mk-list`); }

    draw() {
      const order = (mark) => [mark.target === "trace" ? 0 : 1, mark.start, mark.end];
      this.marks.sort((a, b) => { const [x, y] = [order(a), order(b)]; return x[0] - y[0] || x[1] - y[1] || x[2] - y[2]; });
      for (const passage of this.passages) {
        passage.draw(this.marks.filter((mark) => mark.type !== "omission" && mark.side === passage.side && mark.target === passage.target));
      }
      for (const side of ["left", "right"]) {
        if (this.list(side)) this.list(side).replaceChildren(...this.marks.filter((mark) => mark.side === side).map((mark, i) => this.row(mark, i + 1)));
      }
      this.highlight();
    }

    row(mark, number) {
      const row = document.createElement("li");
      const words = document.createElement("span");
      const level = this.field("mk-severity").querySelector(`input[value="${mark.severity}"]`).closest("label").querySelector("span").textContent;
      const quote = mark.type === "omission" ? shorten(mark.note, 80) : `“${shorten(mark.quote.replace(/\s+/g, " "), 80)}”`;
      words.textContent = [quote, this.kinds[mark.type], level, mark.basis].filter(Boolean).join(" · ");
      const button = (what, title) => {
        const made = document.createElement("button");
        made.type = "button";
        made.className = "rate-small";
        made.dataset[what] = mark.id;
        made.textContent = title;
        made.setAttribute("aria-label", `${title} mark ${number} on the ${mark.side}`);
        return made;
      };
      row.append(words, button("edit", "Edit"), button("remove", "Remove"));
      return row;
    }
  }

  /* Mouse and touch: look once the selecting has come to rest. */
  let pressed = false, due = 0;
  const desks = new Set();
  const rest = () => {
    clearTimeout(due);
    due = setTimeout(() => {
      if (pressed) return;
      for (const desk of desks) { if (desk.sheet.isConnected) desk.offer(); else desks.delete(desk); }
    }, 200);
  };
  document.addEventListener("pointerdown", (event) => { pressed = !event.target.closest?.(".mk-desk") && event.pointerType === "mouse"; }, true);
  for (const kind of ["pointerup", "pointercancel"]) document.addEventListener(kind, () => { pressed = false; rest(); }, true);
  document.addEventListener("selectionchange", rest);

  window.medreasonMarks.open = (sheet, rows, changed) => {
    const desk = new MarkDesk(sheet, rows, changed);
    desks.add(desk);
    return desk;
  };
})();
