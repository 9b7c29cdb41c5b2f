/* Draws the thinking of each side: text only, appended to, never drawn anew while it grows. The page puts traces,
   and the lines below the answers, into the attributes of a carrier; this moves a trace into a block that opens
   while a model thinks, folds afterwards, and stays as its reader has set it. No data is sent from here. */
(() => {
  "use strict";

  const NEAR_END = 48;
  const drawn = new Map(); // the block of each side
  const chosen = new Map(); // side and turn: what the reader wants, open or not

  const make = (stage) => {
    const button = document.createElement("button");
    button.type = "button";
    const words = document.createElement("div");
    words.className = "mr-words";
    words.id = `${stage.id}-words`;
    words.tabIndex = 0;
    words.setAttribute("role", "region");
    button.setAttribute("aria-controls", words.id);
    stage.replaceChildren(button, words);
    const block = { stage, button, words, text: "", key: "", open: null, follows: true };
    button.addEventListener("click", () => {
      chosen.set(stage.id + block.key, !block.open);
      fold(block, !block.open);
    });
    // Whoever scrolls up to read is left there; at the end the block follows the words again.
    words.addEventListener("scroll", () => {
      block.follows = words.scrollHeight - words.scrollTop - words.clientHeight < NEAR_END;
    });
    return block;
  };

  const fold = (block, open) => {
    if (block.open === open) return;
    block.open = open;
    block.button.setAttribute("aria-expanded", String(open));
    block.words.hidden = !open;
    if (open && block.follows) block.words.scrollTop = block.words.scrollHeight;
  };

  // The text is carried from a place on that is drawn already; where it is not, the middle stays out until the end.
  const whole = (block, text, from) => {
    if (from === 0) return text;
    const known = block.text.slice(from);
    if (block.text.length >= from && text.startsWith(known)) return block.text + text.slice(known.length);
    return `…\n\n${text}`;
  };

  const write = (block, text) => {
    if (text === block.text) return;
    if (!text.startsWith(block.text)) {
      block.words.replaceChildren();
      block.text = "";
    }
    const parts = text.slice(block.text.length).split("\n\n");
    const last = block.words.lastElementChild;
    if (last && parts[0]) last.firstChild.appendData(parts[0]);
    for (const part of last ? parts.slice(1) : parts) {
      const paragraph = document.createElement("p");
      paragraph.append(document.createTextNode(part));
      block.words.append(paragraph);
    }
    block.text = text;
    if (block.open && block.follows) block.words.scrollTop = block.words.scrollHeight;
  };

  const drawEnding = (side, { going, fault, badges, figures }) => {
    const line = document.getElementById(`under-${side}`);
    if (!line) return;
    const wanted = [going, fault, badges, figures].join("\n");
    if (line.dataset.drawn === wanted) return;
    line.dataset.drawn = wanted;
    const part = (kind, text) => {
      const made = document.createElement("span");
      made.className = kind;
      made.textContent = text;
      if (kind === "mr-fault") made.setAttribute("role", "alert");
      return made;
    };
    line.replaceChildren(
      ...(going ? [part("", going)] : []),
      ...(fault ? [part("mr-fault", fault)] : []),
      ...JSON.parse(badges || "[]").map((badge) => part("mr-chip", badge)),
      ...(figures ? [part("", figures)] : []),
    );
  };

  const draw = (side) => {
    const stage = document.getElementById(`thought-${side}`);
    const carrier = document.querySelector(`.mr-carried[data-side="${side}"]`);
    if (!stage || !carrier) return;
    const { key, title, text, open } = carrier.dataset;
    drawEnding(side, carrier.dataset);
    stage.hidden = title === undefined;
    if (stage.hidden) {
      if (drawn.delete(side)) stage.replaceChildren();
      return;
    }
    let block = drawn.get(side);
    if (!block || block.stage !== stage) drawn.set(side, (block = make(stage)));
    if (block.key !== key) { block.key = key; block.follows = true; }
    if (block.button.textContent !== title) {
      block.button.textContent = title;
      block.words.setAttribute("aria-label", `Thinking on the ${side === 1 ? "left" : "right"}`);
    }
    fold(block, chosen.get(stage.id + key) ?? open === "yes");
    write(block, whole(block, text, Number(carrier.dataset.from)));
  };

  // On a narrow screen one side may be looked at alone: of the pair that follows the switch.
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.(".mr-switch button");
    if (!button) return;
    const follows = (pair) => button.compareDocumentPosition(pair) & Node.DOCUMENT_POSITION_FOLLOWING;
    const pair = [...document.querySelectorAll(".mr-pair")].find(follows);
    if (!pair) return;
    pair.dataset.show = button.dataset.show;
    for (const one of button.parentElement.children) one.setAttribute("aria-pressed", String(one === button));
  });

  let due = false;
  new MutationObserver(() => {
    if (due) return;
    due = true;
    requestAnimationFrame(() => { due = false; draw(1); draw(2); });
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
