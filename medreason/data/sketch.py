"""What a manifest keeps of the questions a run learned from, so that overlap with cases is known when the data is
gone; and the comparison with it.

Of each question: 16 bytes of the SHA-256 of its normalised text, and the 32 smallest of its shingles' hashes, 4
bytes each (a bottom-k sketch: Cohen and Kaplan, "Summarizing data using bottom-k sketches", PODC 2007).
Questions of up to 36 words are kept whole by this, so their similarity is exact; of longer ones it is an
estimate whose standard error is at most 0.09. The texts cannot be had back from it.
"""

import base64
import sys
from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from medreason.data.overlap import ALIKE, SHINGLE_WORDS, in_order, keep_best, question_hash, shingles
from medreason.data.rows import Row
from medreason.domain.case import Case
from medreason.domain.dataset import CaseOverlap

KEPT = 32
HASH_BYTES = 16


def question_record(rows: Sequence[Row]) -> dict[str, Any]:
    """What a manifest keeps under "questions": `hashes`, `sizes` and `sketches` in base64, in the order of the
    rows. About 150 bytes a row. `sizes` are the lengths of the sketches, a byte each."""
    sketches = [_sketch(row.question) for row in rows]
    return {
        "rows": len(rows),
        "shingle_words": SHINGLE_WORDS,
        "hashes": _text(b"".join(_hash(row.question) for row in rows)),
        "sizes": _text(bytes(len(sketch) for sketch in sketches)),
        "sketches": _text(_little(array("I", (value for sketch in sketches for value in sketch))).tobytes()),
    }


def overlap_with_record(
    cases: Sequence[Case], record: Mapping[str, Any] | None, alike: float = ALIKE
) -> tuple[CaseOverlap, ...] | None:
    """For each case the question of the record most like it, where they are equal or at least `alike`; `row`
    counts from 1. `record` is what `question_record` gave, or a whole manifest, new or old: old ones know equal
    questions only. None where there is no record, or none that can be read: then the overlap is unknown."""
    if not isinstance(record, Mapping):
        return None
    inner = record.get("questions")
    record = inner if isinstance(inner, Mapping) else record
    best: dict[str, CaseOverlap] = {}
    try:
        if "hashes" in record:
            hashes, sketches = _unpacked(record)
            for found in _like(cases, sketches):
                keep_best(best, found, alike)
            equal = {value: number for number, value in reversed(list(enumerate(hashes, 1)))}
            named = {case.case_id: equal.get(_hash(case.text)) for case in cases}
        else:
            old = {value: number for number, value in enumerate(record["question_sha256"], 1)}
            named = {case.case_id: old.get(question_hash(case.text)) for case in cases}
    except (KeyError, TypeError, ValueError):
        return None
    best |= {name: CaseOverlap(name, number, 1.0) for name, number in named.items() if number}
    return in_order(cases, best)


def _like(cases: Sequence[Case], sketches: Sequence[Sequence[int]]) -> Iterable[CaseOverlap]:
    own = {case.case_id: _sketch(case.text) for case in cases}
    holders: dict[int, list[str]] = defaultdict(list)
    for name, sketch in own.items():
        for value in sketch:
            holders[value].append(name)
    for number, sketch in enumerate(sketches, 1):
        for name in {name for value in sketch for name in holders.get(value, ())}:
            yield CaseOverlap(name, number, _similarity(own[name], sketch))


def _similarity(one: Sequence[int], other: Sequence[int]) -> float:
    """The share of both among the smallest hashes of either. Exact where neither sketch is full."""
    either = sorted({*one, *other})
    if max(len(one), len(other)) == KEPT:
        either = either[:KEPT]
    return len({*either} & {*one} & {*other}) / len(either)


def _sketch(question: str) -> Sequence[int]:
    """The smallest hashes of a question's shingles, in order."""
    return sorted({value & 0xFFFFFFFF for value in shingles(question)})[:KEPT]


def _hash(question: str) -> bytes:
    return bytes.fromhex(question_hash(question))[:HASH_BYTES]


def _unpacked(record: Mapping[str, Any]) -> tuple[list[bytes], list[array]]:
    """Hashes and sketches of a record; raises ValueError where its parts do not fit together."""
    if record["shingle_words"] != SHINGLE_WORDS:
        raise ValueError("made with other shingles")
    hashes, sizes = _bytes(record["hashes"]), _bytes(record["sizes"])
    values = array("I")
    values.frombytes(_bytes(record["sketches"]))
    values = _little(values)
    rows = record["rows"]
    if not (len(hashes) == HASH_BYTES * rows and len(sizes) == rows and sum(sizes) == len(values)):
        raise ValueError("not whole")
    sketches, at = [], 0
    for size in sizes:
        sketches.append(values[at : at + size])
        at += size
    return [hashes[at : at + HASH_BYTES] for at in range(0, len(hashes), HASH_BYTES)], sketches


def _little(values: array) -> array:
    """The array with its bytes in the order they are stored in, whatever this machine's own."""
    if sys.byteorder == "big":
        values.byteswap()
    return values


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
