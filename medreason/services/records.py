"""Judgements as the rows of an export: one a value, one a preference, one a mark, one an answer.

Pure. The columns are those of the export's codebook, with a few beside them that its tables need. Where arms may
not be told, `Names` calls them X and Y, nothing is said of models, lengths or times of an answer, and a preference
is positive for Y.
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePath

from medreason.domain.arms import ARMS, SIDES, Arm, Side
from medreason.domain.case import Case
from medreason.domain.items import ITEMS
from medreason.domain.judgement import Guess
from medreason.domain.rater import NOTHING_TOLD, RaterFacts
from medreason.domain.rating import Sides
from medreason.domain.study import ShowingKind
from medreason.services.judged import GONE, TRAINING, Judged, Said

SCHEMA_VERSION = 2
Row = dict[str, object]


@dataclass(frozen=True)
class Names:
    """How arms are called in a pack. `second` is the arm for which a preference counts as positive."""

    of: Mapping[Arm, str]
    second: Arm = Arm.FINETUNED
    told: bool = True

    def arm(self, arm: Arm | None) -> str:
        return self.of[arm] if arm else ""


TRUE_NAMES = Names({arm: str(arm) for arm in ARMS})


def hidden(letters: Mapping[Arm, str]) -> Names:
    """Arms as X and Y."""
    return Names(dict(letters), next(arm for arm in ARMS if letters[arm] == "Y"), told=False)


def rating_rows(judged: Iterable[Judged], names: Names, raters: Mapping[str, RaterFacts]) -> Iterator[Row]:
    """One row a value given to a side."""
    for one in judged:
        for given in one.judgement.given:
            item, said = ITEMS[given.item], one.sides[given.side]
            yield {
                "schema_version": SCHEMA_VERSION,
                "study_id": one.study,
                "rating_id": one.rating_id,
                "presentation_id": one.presentation_id,
                "mode": one.mode,
                "rater_id": one.rater,
                **_rater(raters.get(one.rater, NOTHING_TOLD)),
                **_case(one),
                "arm": names.arm(said.arm),
                "side": str(given.side),
                "case_position": one.position or None,
                "generation_id": said.id,
                "item": given.item,
                "phase": str(one.judgement.phase),
                "value": given.value,
                "value_label": item.meaning(given.value),
                "scale_min": item.lowest,
                "scale_max": item.highest,
                "not_judgeable": given.value is None,
                "confidence": one.judgement.confidence,
                "familiarity": one.judgement.familiarity,
                **_act(one),
                "comment": one.judgement.comment,
                "reason": one.judgement.reason,
                "schedule_hash": one.schedule_sha256,
                "app_version": one.app_version,
            }


def pair_rows(judged: Iterable[Judged], names: Names) -> Iterator[Row]:
    """One row a preference. Between two answers of one arm there is a side to prefer and no arm."""
    for one in judged:
        left, right = (one.sides[side] for side in SIDES)
        for wish in one.judgement.preferred:
            toward = None
            if wish.value is not None and one.left_arm is not None and not one.same_arm:
                toward = Sides(one.left_arm).toward(names.second, wish.value)
            yield {
                "schema_version": SCHEMA_VERSION,
                "study_id": one.study,
                "pair_id": one.presentation_id,
                "rating_id": one.rating_id,
                "mode": one.mode,
                "rater_id": one.rater,
                **_case(one),
                "axis": wish.on,
                "raw_left_right": wish.value,
                "pref_ft": toward,
                "outcome": None if toward is None else "win" if toward > 0 else "loss" if toward < 0 else "tie",
                "not_judgeable": wish.value is None,
                "both_unacceptable": one.judgement.both_unacceptable,
                "left_arm": names.arm(one.left_arm),
                "confidence": one.judgement.confidence,
                "arm_guess": str(one.judgement.guess) if one.judgement.guess else "",
                "guess_correct": _guess_correct(one) if names.told else None,
                "len_tokens_left": _tokens(left) if names.told else None,
                "len_tokens_right": _tokens(right) if names.told else None,
                **_act(one),
            }


def span_rows(judged: Iterable[Judged], names: Names) -> Iterator[Row]:
    """One row a mark."""
    for one in judged:
        for number, span in enumerate(one.judgement.spans, 1):
            said = one.sides[span.side]
            yield {
                "schema_version": SCHEMA_VERSION,
                "study_id": one.study,
                "span_id": f"{one.rating_id}.{number}",
                "rating_id": one.rating_id,
                "presentation_id": one.presentation_id,
                "mode": one.mode,
                "rater_id": one.rater,
                **_case(one),
                "generation_id": said.id,
                "arm": names.arm(said.arm),
                "side": str(span.side),
                "phase": str(one.judgement.phase),
                "target": str(span.target),
                "start": span.start,
                "end": span.end,
                "quote": span.quote,
                "text_sha256": span.text_sha256,
                "type": str(span.type),
                "severity": span.severity,
                "basis": str(span.basis),
                "source_note": span.source_note,
                "adjudicated": one.settled[number - 1] if one.settled else "",
                "revision_no": one.revision_no,
                "superseded": one.superseded,
                "created_at": one.submitted_at,
            }


def generation_rows(said: Iterable[Said], names: Names) -> Iterator[Row]:
    """One row an answer; while the arms are hidden, the texts and their hashes alone."""
    for one in said:
        answer = one.answer
        row: Row = {
            "generation_id": one.id,
            "case_id": one.case_id,
            "arm": names.arm(one.arm),
            "sample": one.sample,
            "origin": one.origin,
            "finish_reason": str(answer.finish),
            "thinking_text": answer.thinking,
            "answer_text": answer.text,
            "thinking_sha256": one.thinking_sha256,
            "sha256": one.answer_sha256,
            "known_spans": list(one.known_spans),
        }
        if names.told:
            row |= _provenance(one) | {
                "flags": list(one.flags),
                "fault": answer.fault,
                "created_at": one.created_at,
            }
        yield row


def case_rows(cases: Iterable[Case], overlaps: Mapping[str, float]) -> Iterator[Row]:
    """One row a case; `similarity` to a training row of the adapter, where one was found."""
    for case in cases:
        yield {
            "case_id": case.case_id,
            "case_version": version_of(case),
            "kind": str(case.kind),
            "specialty": case.specialty,
            "text": case.text,
            "reference_answer": case.reference_answer,
            "must_contain": list(case.must_contain),
            "source": case.source,
            "training_similarity": overlaps.get(case.case_id),
        }


def version_of(case: Case) -> str:
    """Twelve digits of the hash of the case's text; empty where that is not known any more."""
    return "" if case.text == GONE else hashlib.sha256(case.text.encode("utf-8")).hexdigest()[:12]


def _rater(facts: RaterFacts) -> Row:
    return {
        "rater_role": facts.profession,
        "rater_specialty": facts.specialty,
        "years_practice": facts.years,
    }


def _case(one: Judged) -> Row:
    kind = ShowingKind.STUDY if one.mode == TRAINING else one.kind
    return {
        "case_id": one.case.case_id,
        "case_version": version_of(one.case),
        "case_specialty": one.case.specialty,
        "case_kind": str(kind),
        "repeat_of": one.repeat_of,
    }


def _act(one: Judged) -> Row:
    return {
        "active_ms": one.judgement.active_ms or None,  # none was measured
        "started_at": one.started_at or None,
        "submitted_at": one.submitted_at,
        "revision_no": one.revision_no,
        "superseded": one.superseded,
        "blinded": one.blinded,
    }


def _guess_correct(one: Judged) -> bool | None:
    guess = one.judgement.guess
    if guess is None or guess is Guess.DONT_KNOW or one.same_arm:
        return None
    return one.sides[Side(guess)].arm is Arm.FINETUNED


def _tokens(said: Said) -> int | None:
    """None where a server did not tell."""
    return said.answer.counts.said if said.answer.counted else None


def place_name(place: str) -> str:
    """A hub id as it is; of a folder only its name, because the way there is this computer's own."""
    return PurePath(place).name if place.startswith(("/", "~", ".")) or "\\" in place else place


def _provenance(one: Said) -> Row:
    counts, timings = one.answer.counts, one.answer.timings
    told = one.answer.counted
    row: Row = {
        "prompt_tokens": counts.prompt_tokens or None,
        "thinking_tokens": counts.thinking_tokens if told else None,
        "answer_tokens": counts.answer_tokens if told else None,
        "ttft_ms": round(1000 * timings.first_token_s),
        "total_ms": round(1000 * timings.total_s),
    }
    proof = one.provenance
    model = proof.model if proof else None
    return row | {
        "base_model": place_name(model.base_model) if model else None,
        "base_revision": model.base_revision if model else None,
        "base_sha256": model.base_sha256 if model else None,
        "adapter_id": place_name(model.adapter) if model else None,
        "adapter_sha256": model.adapter_sha256 if model else None,
        "adapter_active": proof.adapter_active if proof else None,
        "precision": model.precision if model else None,
        "template_sha256": model.template_sha256 if model else None,
        "engine": model.engine if model else None,
        "self_test": model.self_test if model else None,
        "claimed_by": model.claimed_by if model else None,
        "system_prompt": proof.system_prompt if proof else None,
        "sampling": asdict(proof.sampling) if proof else None,
        "library_versions": dict(model.versions) if model else None,
    }
