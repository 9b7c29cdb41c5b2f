"""Countable traces of form in an answer: steps, linking words, words of doubt, Markdown.

They describe how a text is written. None of them says that a step is right, or that a link is a cause.
"""

import re
from dataclasses import dataclass

NUMBERED = re.compile(r"^\s*(?:\*\*)?(?:step\s+)?\d{1,2}[.):]", re.IGNORECASE | re.MULTILINE)
PARAGRAPH = re.compile(r"\n\s*\n")
LINKING = re.compile(r"\b(?:because|therefore|thus|hence|so that|which means|leads to|due to)\b|→", re.IGNORECASE)
DOUBT = re.compile(r"\b(?:hmm+|wait|alternatively|actually|on second thought)\b", re.IGNORECASE)
WORD = re.compile(r"\w+")
HEADER = re.compile(r"^ {0,3}#{1,6}\s", re.MULTILINE)
ITEM = re.compile(r"^\s*(?:[-*+]|\d{1,3}[.)])\s", re.MULTILINE)
BOLD = re.compile(r"\*\*[^*\n]+\*\*|__[^_\n]+__")


@dataclass(frozen=True)
class Markers:
    """`steps`: numbered lines, or paragraphs where nothing is numbered. `linking` and `doubt`: such words in
    100 words, 0 for an empty text."""

    steps: int
    linking: float
    doubt: float


@dataclass(frozen=True)
class Format:
    """Markdown headings, list items and bold passages."""

    headers: int
    lists: int
    bold: int


def markers(text: str) -> Markers:
    words = len(WORD.findall(text))
    if not words:
        return Markers(0, 0.0, 0.0)
    numbered = len(NUMBERED.findall(text))
    paragraphs = sum(bool(part.strip()) for part in PARAGRAPH.split(text))
    linking, doubt = (100 * len(pattern.findall(text)) / words for pattern in (LINKING, DOUBT))
    return Markers(numbered or paragraphs, linking, doubt)


def format_of(text: str) -> Format:
    return Format(len(HEADER.findall(text)), len(ITEM.findall(text)), len(BOLD.findall(text)))
