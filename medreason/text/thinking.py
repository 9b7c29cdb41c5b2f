"""Splits what a model says into thinking and answer, while it is being said.

Pieces come in as they are decoded, cut anywhere; the parts that come out are the same however they were
cut. Whitespace around a part is dropped, all else is kept.

- Thinking opens at a `<think>` that begins a line, or before the first word where the prompt has opened it
  (`opened=True`), and closes at the next `</think>`. A second `<think>` inside is dropped. Elsewhere
  `<think>` is the answer's own text, so that an answer about tags is not lost in a trace.
- Without a tag everything is answer. A trace that never closes leaves the answer empty.
- Several blocks make one thinking, also where the answer has begun between them.
- A `</think>` that closes nothing is dropped, and becomes a paragraph break. What stood before it has been
  shown as answer and stays answer: a stream cannot take words back. It is no trace that was opened, so
  `thought` stays false.
"""

import re
from typing import Literal

from medreason.text.template import CLOSE, OPEN

Part = Literal["thinking", "answer"]
Piece = tuple[Part, str]

TAG = re.compile("</?think>")


class ThinkingSplitter:
    """`feed` takes text and gives ("thinking" | "answer", text) pieces; `flush` gives what was held back
    at the end. A piece with empty text says that this part has just begun. `thought` and `closed` tell
    whether a trace was opened, and whether it was closed again."""

    def __init__(self, opened: bool = False):
        self.thought = opened
        self.closed = False
        self._part: Part = "thinking" if opened else "answer"
        self._held = ""  # what may become a tag
        self._blanks = ""  # whitespace that counts only if words follow
        self._begun = False  # this stretch of the part has words
        self._said: dict[Part, bool] = {"thinking": False, "answer": False}
        self._out: list[Piece] = [("thinking", "")] if opened else []

    def feed(self, text: str) -> list[Piece]:
        self._held += text
        while match := TAG.search(self._held):
            self._say(self._held[: match.start()])
            self._held = self._held[match.end() :]
            self._tag(match.group())
        keep = _could_become_tag(self._held)
        self._say(self._held[: len(self._held) - keep])
        self._held = self._held[len(self._held) - keep :]
        return self._taken()

    def go_on_from(self, said: str) -> None:
        """Before the first `feed`: this has been said and told already. What follows continues it."""
        self.feed(said)
        self._say(self._held)
        self._held = ""
        self._taken()

    def flush(self) -> list[Piece]:
        """The rest: a tag that was begun and never finished is text."""
        self._say(self._held)
        self._held = self._blanks = ""
        return self._taken()

    def _taken(self) -> list[Piece]:
        taken, self._out = self._out, []
        return taken

    def _say(self, text: str) -> None:
        text = self._blanks + text
        words = text.rstrip()
        self._blanks = text[len(words) :]
        if not words:
            return
        if not self._begun:
            words = ("\n\n" if self._said[self._part] else "") + words.lstrip()
            self._begun = self._said[self._part] = True
        self._out.append((self._part, words))

    def _tag(self, tag: str) -> None:
        if tag == OPEN and self._part == "answer":
            if not self._begun or "\n" in self._blanks:
                self.thought, self.closed = True, False
                self._turn_to("thinking")
            else:
                self._say(tag)
        elif tag == CLOSE and self._part == "thinking":
            self.closed = True
            self._turn_to("answer")
        elif tag == CLOSE and self._begun:
            self._begun, self._blanks = False, ""

    def _turn_to(self, part: Part) -> None:
        self._part, self._begun, self._blanks = part, False, ""
        self._out.append((part, ""))


def _could_become_tag(text: str) -> int:
    """Length of the end of `text` that the next piece might complete to a tag."""
    start = text.rfind("<", max(0, len(text) - len(CLOSE)))
    tail = text[start:] if start >= 0 else ""
    return len(tail) if tail and (OPEN.startswith(tail) or CLOSE.startswith(tail)) else 0


def split_thinking(text: str, opened: bool = False) -> tuple[str, str]:
    """Thinking and answer of a whole text."""
    splitter = ThinkingSplitter(opened)
    pieces = splitter.feed(text) + splitter.flush()
    return (
        "".join(said for part, said in pieces if part == "thinking"),
        "".join(said for part, said in pieces if part == "answer"),
    )
