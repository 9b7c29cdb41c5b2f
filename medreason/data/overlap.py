"""Finds cases that a model may have seen in training: equal questions, and questions that share most words.

Paraphrases in other words are not found. What a manifest keeps for when the rows are gone is in `sketch`.
"""

import hashlib
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from medreason.data.rows import Row
from medreason.domain.case import Case
from medreason.domain.dataset import CaseOverlap

SHINGLE_WORDS = 5
ALIKE = 0.5
# Vowel signs of the scripts from Devanagari to Myanmar are no \w, yet words differ by them.
WORD = re.compile("[\\w\u0900-\u109f]+")
# Chinese and Japanese set no blanks between words: each character counts as one.
SHINGLE_WORD = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^ \u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+")


def normalised(question: str) -> str:
    """Lower-case words and numbers with single blanks: what two writings of one question share. A question
    without any word stays as it is but for its blanks."""
    text = unicodedata.normalize("NFKC", question).casefold()
    return " ".join(WORD.findall(text)) or " ".join(text.split())


def question_hash(question: str) -> str:
    """SHA-256 of the normalised question, in hex."""
    return hashlib.sha256(normalised(question).encode()).hexdigest()


def shingles(question: str) -> frozenset[int]:
    """64-bit hashes of every run of five words; a shorter question is one shingle."""
    return shingles_of(normalised(question))


def shingles_of(text: str) -> frozenset[int]:
    """`shingles` of a question that is normalised already."""
    words = SHINGLE_WORD.findall(text)
    grams = (" ".join(words[at : at + SHINGLE_WORDS]) for at in range(max(1, len(words) - SHINGLE_WORDS + 1)))
    return frozenset(
        int.from_bytes(hashlib.blake2b(gram.encode(), digest_size=8).digest(), "big") for gram in grams
    )


def overlap(cases: Sequence[Case], rows: Sequence[Row], alike: float = ALIKE) -> tuple[CaseOverlap, ...]:
    """For each case the row most like it, where they are equal or at least `alike` by the Jaccard index of their
    word 5-grams. `row` counts from 1."""
    texts = {case.case_id: normalised(case.text) for case in cases}
    grams = {name: shingles_of(text) for name, text in texts.items()}
    holders: dict[int, list[str]] = defaultdict(list)
    for name, found in grams.items():
        for gram in found:
            holders[gram].append(name)
    best: dict[str, CaseOverlap] = {}
    for number, row in enumerate(rows, 1):
        text = normalised(row.question)
        other = shingles_of(text)
        for name, shared in Counter(name for gram in other for name in holders.get(gram, ())).items():
            score = 1.0 if text == texts[name] else shared / (len(other) + len(grams[name]) - shared)
            keep_best(best, CaseOverlap(name, number, score), alike)
    return in_order(cases, best)


def keep_best(best: dict[str, CaseOverlap], found: CaseOverlap, alike: float) -> None:
    """Remember `found` where it is at least `alike` and better than what is known of its case."""
    known = best.get(found.case_id)
    if found.similarity >= alike and (known is None or found.similarity > known.similarity):
        best[found.case_id] = found


def in_order(cases: Iterable[Case], best: Mapping[str, CaseOverlap]) -> tuple[CaseOverlap, ...]:
    """What was found, in the order of the cases."""
    return tuple(best[case.case_id] for case in cases if case.case_id in best)
