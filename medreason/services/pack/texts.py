"""A pack without what was written in it. Texts can tell the arms apart where everything else is blinded: a model
that thinks aloud is known by it.
"""

from dataclasses import replace

from medreason.domain.pack import PackData


def without_texts(data: PackData) -> PackData:
    """The same without a text of case, answer, mark or comment; their hashes stay."""
    return replace(
        data,
        cases=tuple(replace(row, text="", reference_answer="", must_contain="") for row in data.cases),
        generations=tuple(
            replace(row, thinking_text="", answer_text="", system_prompt="") for row in data.generations
        ),
        pairs=tuple(replace(row, comment="") for row in data.pairs),
        spans=tuple(replace(row, quote="", source_note="") for row in data.spans),
        adjudications=tuple(replace(row, reason="") for row in data.adjudications),
        planted=tuple(replace(row, quote="") for row in data.planted),
    )
