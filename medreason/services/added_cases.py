"""Cases that come to those a study has: what is there already adds nothing, and no id is used twice."""

import re
from collections.abc import Sequence
from dataclasses import replace

from medreason.domain.case import Case
from medreason.errors import MedReasonError

MADE_ID = re.compile(r"case-\d{4,}")
"""An id that was made from the row, since the file gave none."""


def new_cases(there: Sequence[Case], more: Sequence[Case], file: str) -> tuple[Case, ...]:
    """Those of `more` whose text is not there yet. One without an id of its own gets the next free number; an id
    of the file's own that stands for another text here is refused."""
    texts = {case.text for case in there}
    ids = {case.case_id for case in there}
    taken = ids | {case.case_id for case in more}
    added: list[Case] = []
    number = 1
    for case in more:
        if case.text in texts:
            continue
        if MADE_ID.fullmatch(case.case_id) and case.case_id in ids:
            while f"case-{number:04d}" in taken:
                number += 1
            case = replace(case, case_id=f"case-{number:04d}")
            taken.add(case.case_id)
        elif case.case_id in ids:
            raise MedReasonError(
                f"The file {file} cannot be added: column “case_id” names {case.case_id}, which is another case "
                "of this study. Give it an id of its own."
            )
        ids.add(case.case_id)
        added.append(case)
    return tuple(added)
