"""Finds what likely identifies a patient in typed text: a warning before it is stored, never a clearance.

Looks for names behind a title or "patient", numbers of records, insurance and identity, telephone, e-mail and
dates of birth. It cannot find everything, and says so nowhere else than here: a text without a finding may still
identify somebody. Knows nothing of who typed it.
"""

import re
from dataclasses import dataclass

_NAME = r"[A-ZÀ-ÖØ-Þ][\w'’-]+"
_YEAR = r"(?:19|20)\d{2}"
_DATE = (
    rf"(?:\d{{1,2}}[./-]\d{{1,2}}[./-](?:19|20)?\d{{2}}|{_YEAR}-\d{{2}}-\d{{2}}"
    rf"|\d{{1,2}}\s+\w{{3,9}}\.?,?\s+{_YEAR}|\w{{3,9}}\.?\s+\d{{1,2}},?\s+{_YEAR})"
)
_NUMBER = r"\s*[:#=]?\s*(?:[A-Z]{0,4}[-\s]?\d[\dA-Z-]{4,}|\d{3}\s\d{3}\s\d{4})"
_NUMBERED = r"(?:\s*(?:number|no\.?|nr\.?|id|#))?"
_RECORD = r"(?:MRN|medical record|hospital|chart|case file|patient id)"
_INSURANCE = r"(?:insurance|policy|member|medicare|medicaid|NHS)"
_BORN = r"(?:DOB|d\.o\.b\.|date of birth|born(?:\s+on)?|birth date|birthday)"
_PHONE = r"(?:phone|tel|telephone|mobile|cell)\.?"
_DIGITS = r"(?:\d[\s().-]*)"

NAME, RECORD, INSURANCE, SECURITY, MAIL, PHONE, BORN = (
    *("a name", "a record number", "an insurance number", "a social security number", "an e-mail address"),
    *("a telephone number", "a date of birth"),
)
PATTERNS = (
    (NAME, rf"(?<!\w)(?:Mr|Mrs|Ms|Miss|Mx|Herr|Frau|Señora?|Mme)\.?\s+{_NAME}(?:\s+{_NAME})?"),
    (NAME, rf"(?<!\w)(?:[Pp]atient|PATIENT)(?:'s name)?(?:\s+(?:is|named|called)|\s*:)?\s+{_NAME}\s+{_NAME}"),
    (NAME, rf"(?<!\w)(?:[Nn]ame|[Nn]amed|[Cc]alled)\s*(?:is|:)?\s+{_NAME}\s+{_NAME}"),
    (RECORD, rf"(?i:(?<!\w){_RECORD}{_NUMBERED}{_NUMBER})"),
    (INSURANCE, rf"(?i:(?<!\w){_INSURANCE}{_NUMBERED}{_NUMBER})"),
    (SECURITY, r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])"),
    (SECURITY, rf"(?i:(?<!\w)(?:SSN|social security){_NUMBERED})\s*[:#=]?\s*\d{{3}}[- ]?\d{{2}}[- ]?\d{{4}}"),
    (MAIL, r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    (PHONE, rf"(?<![\w.])\+\d{{1,3}}[\s().-]*{_DIGITS}{{6,13}}\d(?!\w)"),
    (PHONE, r"(?<![\w.-])\(?\d{3}\)?[\s.-]\d{3}[\s.-]\d{4}(?![\w-])"),
    (PHONE, rf"(?i:(?<!\w){_PHONE}{_NUMBERED})\s*[:#]?\s*{_DIGITS}{{5,14}}\d"),
    (BORN, rf"(?i:(?<!\w){_BORN})\s*[:=]?\s*{_DATE}"),
)
_COMPILED = tuple((kind, re.compile(pattern)) for kind, pattern in PATTERNS)


@dataclass(frozen=True)
class Likely:
    """Something that looks like an identifier: what kind, and where (code points, half open)."""

    kind: str
    start: int
    end: int


def likely_identifiers(text: str) -> tuple[Likely, ...]:
    """What was found, in the order of the text, each place once."""
    found: list[Likely] = []
    for kind, pattern in _COMPILED:
        for match in pattern.finditer(text):
            if not any(match.start() < one.end and one.start < match.end() for one in found):
                found.append(Likely(kind, match.start(), match.end()))
    return tuple(sorted(found, key=lambda one: one.start))


def in_words(found: tuple[Likely, ...]) -> str:
    """The kinds found, such as "a name and a telephone number"."""
    kinds = list(dict.fromkeys(one.kind for one in found))
    return " and ".join(filter(None, (", ".join(kinds[:-1]), kinds[-1]))) if kinds else ""
