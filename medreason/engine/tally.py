"""Counts how many of the generated tokens are thinking and how many are answer.

A token counts in the part in which its first shown character stands. One of which nothing is shown counts in
neither: tags, the end of the turn, blanks around a part. So the two never exceed the tokens that were generated.
"""

from medreason.text.template import CLOSE, OPEN
from medreason.text.thinking import Part, Piece, ThinkingSplitter


class Tally:
    """`feed` takes the text that one or more tokens became, and gives its pieces as the splitter does."""

    def __init__(self, opened: bool):
        self.splitter = ThinkingSplitter(opened)
        self.tokens: dict[Part, int] = {"thinking": 0, "answer": 0}
        self._waiting = ""  # characters that are not out yet and not dropped
        self._owners: list[int] = []  # which text each of them belongs to
        self._weights: dict[int, int] = {}  # tokens of each text of which nothing has been shown
        self._texts = 0

    def feed(self, text: str, tokens: int) -> list[Piece]:
        """`tokens` became `text`; it may be empty."""
        self._texts += 1
        self._weights[self._texts] = tokens
        pieces: list[Piece] = []
        # One character at a time: the parts come out the same, and it is known what each character became.
        for character in text:
            self._waiting += character
            self._owners.append(self._texts)
            pieces += self._count(self.splitter.feed(character))
        return _joined(pieces)

    def flush(self) -> list[Piece]:
        return _joined(self._count(self.splitter.flush()))

    def _count(self, pieces: list[Piece]) -> list[Piece]:
        shown = False
        for part, text in pieces:
            if text:
                self._show(part, text)
                shown = True
        if not shown and self._waiting.endswith((OPEN, CLOSE)):
            self._waiting, self._owners = "", []  # a tag, with the blanks before it
        return pieces

    def _show(self, part: Part, text: str) -> None:
        # The splitter drops blanks before a part's words and may set a paragraph break in their place.
        start = 0 if self._waiting.startswith(text) else len(self._waiting) - len(self._waiting.lstrip())
        length = len(text) if self._waiting.startswith(text, start) else len(text.lstrip())
        for owner in self._owners[start : start + length]:
            self.tokens[part] += self._weights.pop(owner, 0)
        self._waiting = self._waiting[start + length :]
        self._owners = self._owners[start + length :]


def _joined(pieces: list[Piece]) -> list[Piece]:
    """Neighbours of one part as one piece. An empty piece says that a part begins, and stays."""
    joined: list[Piece] = []
    for part, text in pieces:
        if joined and text and joined[-1][0] == part and joined[-1][1]:
            joined[-1] = (part, joined[-1][1] + text)
        else:
            joined.append((part, text))
    return joined
