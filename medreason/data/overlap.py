"""Finds cases that a model may have seen in training: equal questions, and questions that share most words.

A run's manifest keeps the hash of each question, so that equal ones are found when the data is gone.
Paraphrases in other words are not found.
"""

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from medreason.data.rows import Row
from medreason.domain.case import Case

SHINGLE_WORDS = 5
ALIKE = 0.5


@dataclass(frozen=True)
class Overlap:
    """A case and the row it resembles. `similarity` is the Jaccard index of their word 5-grams; 1 when the
    normalised questions are equal."""

    case_id: str
    row: int
    similarity: float


def normalised(question: str) -> str:
    """Lower-case words and numbers with single blanks: what two writings of one question share."""
    return " ".join(re.findall(r"\w+", unicodedata.normalize("NFKC", question).casefold()))


def question_hash(question: str) -> str:
    """SHA-256 of the normalised question, in hex."""
    return hashlib.sha256(normalised(question).encode()).hexdigest()


def shingles(question: str) -> frozenset[int]:
    """64-bit hashes of every run of five words; a shorter question is one shingle."""
    words = normalised(question).split()
    grams = [words[at : at + SHINGLE_WORDS] for at in range(max(1, len(words) - SHINGLE_WORDS + 1))]
    return frozenset(
        int.from_bytes(hashlib.blake2b(" ".join(gram).encode(), digest_size=8).digest(), "big") for gram in grams
    )


def overlap(cases: Sequence[Case], rows: Sequence[Row], alike: float = ALIKE) -> tuple[Overlap, ...]:
    """For each case the row most like it, where they are equal or at least `alike`. `row` counts from 1."""
    known = [(normalised(row.question), shingles(row.question)) for row in rows]
    found: list[Overlap] = []
    for case in cases:
        text, grams = normalised(case.text), shingles(case.text)
        best = Overlap(case.case_id, 0, 0.0)
        for number, (other, other_grams) in enumerate(known, 1):
            if text == other:
                score = 1.0
            elif grams.isdisjoint(other_grams):
                continue
            else:
                score = len(grams & other_grams) / len(grams | other_grams)
            if score > best.similarity:
                best = Overlap(case.case_id, number, score)
        if best.similarity >= alike:
            found.append(best)
    return tuple(found)
