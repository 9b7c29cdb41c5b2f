/* Passages as plain paragraphs, and the marks on them. Offsets are code points into the text as it was stored:
   a paragraph carries its start, and nothing is in the page that is not in the text. Nothing is sent from here;
   rate.js asks for the marks of a sheet. */
(() => {
  "use strict";

  const SEGMENTS = window.Intl && Intl.Segmenter ? new Intl.Segmenter(undefined, { granularity: "grapheme" }) : null;

  /* One text: where each code point stands in UTF-16, and back. */
  class Passage {
    constructor(node) {
      const doc = JSON.parse(node.dataset.passage);
      Object.assign(this, { node, text: doc.text, side: doc.side, target: doc.target, sha256: doc.sha256, name: doc.name });
      this.units = [];
      let at = 0;
      for (const point of this.text) { this.units.push(at); at += point.length; }
      this.units.push(at);
      node.passage = this;
      this.draw([]);
    }

    point(unit) {
      let low = 0, high = this.units.length - 1;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (this.units[middle] <= unit) low = middle; else high = middle - 1;
      }
      return low;
    }

    quote(start, end) { return this.text.slice(this.units[start], this.units[end]); }

    draw(marks) {
      const paragraphs = [];
      let before = 0;
      for (const found of this.text.matchAll(/[^\n]+/g)) {
        const paragraph = document.createElement("p");
        paragraph.className = found.index - before > 1 ? "mk-par mk-gap" : "mk-par";
        paragraph.dataset.start = this.point(found.index);
        paragraph.append(...this.pieces(found.index, found.index + found[0].length, marks));
        paragraphs.push(paragraph);
        before = found.index + found[0].length;
      }
      this.node.replaceChildren(...paragraphs);
    }

    pieces(from, to, marks) {
      const here = marks.map((mark) => [this.units[mark.start], this.units[mark.end], mark]).filter(([a, b]) => a < to && b > from);
      const cuts = new Set([from, to]);
      for (const [a, b] of here) { cuts.add(Math.max(a, from)); cuts.add(Math.min(b, to)); }
      const order = [...cuts].sort((a, b) => a - b);
      return order.slice(1).map((end, i) => {
        const words = document.createTextNode(this.text.slice(order[i], end));
        const over = here.filter(([a, b]) => a < end && b > order[i]);
        if (!over.length) return words;
        const element = document.createElement("mark");
        element.className = over.length > 1 ? "mk mk-twice" : "mk";
        element.dataset.marks = over.map(([, , mark]) => mark.id).join(" ");
        element.append(words);
        return element;
      });
    }

    /* Where a boundary of a selection lies in the text, in UTF-16 units; between paragraphs, at the next one. */
    unit(container, offset) {
      const element = container.nodeType === Node.ELEMENT_NODE ? container : container.parentElement;
      const paragraph = element.closest(".mk-par");
      if (paragraph && this.node.contains(paragraph)) {
        const before = document.createRange();
        before.setStart(paragraph, 0);
        before.setEnd(container, offset);
        return this.units[Number(paragraph.dataset.start)] + before.toString().length;
      }
      const spot = document.createRange();
      spot.setStart(container, offset);
      for (const each of this.node.children) {
        if (spot.comparePoint(each, 0) >= 0) return this.units[Number(each.dataset.start)];
      }
      return this.text.length;
    }

    /* The selected words as [start, end) in code points, without the white space around them and with no visible
       character cut in two; null where no word is selected. */
    selected(range) {
      let start = this.unit(range.startContainer, range.startOffset);
      let end = this.unit(range.endContainer, range.endOffset);
      while (start < end && /\s/.test(this.text[start])) start += 1;
      while (end > start && /\s/.test(this.text[end - 1])) end -= 1;
      if (start >= end) return null;
      if (SEGMENTS) {
        const whole = SEGMENTS.segment(this.text);
        start = whole.containing(start).index;
        const last = whole.containing(end - 1);
        end = last.index + last.segment.length;
      }
      return [this.point(start), this.point(end)];
    }
  }

  const passageOf = (node) => {
    const element = node && (node.nodeType === Node.ELEMENT_NODE ? node : node.parentElement);
    const found = element && element.closest(".mk-text");
    return found && found.passage ? found.passage : null;
  };

  /* What is selected now: the passage in which the selecting began, and the words within it. */
  const selection = () => {
    const now = getSelection();
    if (!now || now.isCollapsed || !now.rangeCount) return null;
    const passage = passageOf(now.anchorNode) || passageOf(now.focusNode);
    const words = passage && passage.selected(now.getRangeAt(0));
    return words ? { passage, start: words[0], end: words[1] } : null;
  };

  /* A caret for the keyboard: the text takes one, and gives back everything that is typed into it. */
  const refuse = (event) => event.preventDefault();
  const leaveCaret = (node) => {
    if (node.getAttribute("contenteditable") !== "true") return;
    node.removeAttribute("contenteditable");
    node.removeAttribute("inputmode");
    node.setAttribute("role", "region");
    node.removeAttribute("aria-multiline");
    node.removeAttribute("aria-readonly");
  };
  const enterCaret = (node) => {
    const given = { contenteditable: "true", inputmode: "none", spellcheck: "false", role: "textbox", "aria-multiline": "true", "aria-readonly": "true" };
    for (const [name, value] of Object.entries(given)) node.setAttribute(name, value);
    node.focus();
    const first = node.querySelector(".mk-par");
    if (first && !node.contains(getSelection().anchorNode)) getSelection().collapse(first, 0);
  };
  for (const kind of ["beforeinput", "drop", "paste", "cut"]) {
    document.addEventListener(kind, (event) => { if (event.target.closest?.(".mk-text")) refuse(event); }, true);
  }
  document.addEventListener("compositionend", (event) => {
    const passage = passageOf(event.target);
    if (passage) passage.node.dispatchEvent(new CustomEvent("mk-redraw", { bubbles: true }));
  });

  window.medreasonMarks = { Passage, selection, passageOf, enterCaret, leaveCaret };
})();
