"""Results: the evaluation table, the lengths beside it, and the files to hand over.

Everything here rests on ratings that are in. A blinded pair that nobody has rated is in no table, no
length and no file, because its lengths alone would tell its arms.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from medreason.domain.answers import Answer, Finish
from medreason.domain.arms import ARMS, Arm
from medreason.domain.case import Case
from medreason.domain.instrument import AXES, CANNOT_JUDGE, HIGHEST, LOWEST, SCALES, Axis
from medreason.domain.user import Action, User
from medreason.services.export import csv_bytes, jsonl_bytes
from medreason.services.reading import HOW_TO_READ, cells, counted, in_words
from medreason.stats.table import (
    EvaluationTable,
    Judgement,
    Lengths,
    evaluation_table,
    token_lengths,
)
from medreason.storage.pairs import Pair, Pairs
from medreason.storage.people import People, pseudonym
from medreason.storage.ratings import Ratings, StoredRating

SCHEMA_VERSION = 1
RATING_COLUMNS = (
    *("schema_version", "rating_id", "presentation_id", "mode", "rater_id", "case_id", "case_specialty"),
    *("conversation_id", "turn", "arm", "side", "generation_id", "item", "value", "value_label"),
    *("scale_min", "scale_max", "not_judgeable", "preference_left_right", "preference_ft"),
    *("preference_not_judgeable", "comment", "submitted_at", "revision_no", "superseded", "blinded"),
    *("finish_reason", "prompt_tokens", "thinking_tokens", "answer_tokens", "total_s"),
    *("base_model", "base_revision", "base_sha256", "adapter_sha256", "adapter_active", "precision"),
    *("template_sha256", "engine", "temperature", "top_p", "top_k", "seed", "max_new_tokens"),
    *("thinking_mode", "app_version"),
)
TABLE_COLUMNS = (
    *("outcome", "metric", "baseline", "finetuned", "difference", "n_cases", "n_raters", "n_ratings"),
    *("n_not_judgeable", "wins", "ties", "losses", "reason"),
)


@dataclass(frozen=True)
class LengthsTable:
    """Token lengths over `n` complete pairs, and how many answers ended at the token budget."""

    rows: tuple[Lengths, ...]
    n: int
    truncated: Mapping[Arm, int]


class Results:
    def __init__(self, pairs: Pairs, ratings: Ratings, people: People, cases: Sequence[Case] = ()):
        self._pairs = pairs
        self._ratings = ratings
        self._people = people
        self._specialties = {case.case_id: case.specialty for case in cases}

    def table(self, user: User) -> EvaluationTable:
        user.require(Action.RESULTS)
        standing = [(pair, stored) for pair, stored in self._rated() if not stored.superseded]
        return evaluation_table([_judgement(*one) for one in standing], _notes(standing))

    def lengths(self, user: User) -> LengthsTable:
        """Lengths over the complete pairs whose arms may be known: not blinded, or revealed by a rating."""
        user.require(Action.RESULTS)
        known = [pair for pair in self._pairs.completed() if not pair.blinded or pair.revealed_at is not None]

        def tokens(arm: Arm, part: str) -> list[int]:
            return [getattr(_answer(pair, arm).counts, f"{part}_tokens") for pair in known]

        rows = (
            token_lengths(part, tokens(Arm.BASELINE, part), tokens(Arm.FINETUNED, part))
            for part in ("thinking", "answer")
        )
        cut = {arm: sum(_answer(pair, arm).finish is Finish.LENGTH for pair in known) for arm in ARMS}
        return LengthsTable(tuple(rows), len(known), cut)

    def ratings_csv(self, user: User) -> bytes:
        """One row a rating, arm and axis; every revision is in it."""
        return csv_bytes(RATING_COLUMNS, self._records(user))

    def ratings_jsonl(self, user: User) -> bytes:
        return jsonl_bytes(RATING_COLUMNS, self._records(user))

    def table_csv(self, user: User) -> bytes:
        rows = [{**vars(row), "metric": row.label, "outcome": row.outcome} for row in self.table(user).rows]
        return csv_bytes(TABLE_COLUMNS, rows)

    def table_markdown(self, user: User) -> bytes:
        table = self.table(user)
        lines = ["| Metric | Baseline | Fine-tuned | Δ | n |", "|---|---:|---:|---:|---:|"]
        lines += ["| " + " | ".join(cells(row)) + " |" for row in table.rows]
        lines += ["", in_words(table), *(f"- {note}" for note in (HOW_TO_READ, *table.notes))]
        return ("\n".join(lines) + "\n").encode("utf-8")

    def _rated(self) -> list[tuple[Pair, StoredRating]]:
        stored = self._ratings.all()
        pairs = self._pairs.by_id(sorted({one.pair_id for one in stored}))
        return [(pairs[one.pair_id], one) for one in stored]

    def _records(self, user: User) -> list[dict[str, object]]:
        user.require(Action.RESULTS)
        return [
            self._record(pair, stored, arm, axis)
            for pair, stored in self._rated()
            for arm in ARMS
            for axis in AXES
        ]

    def _record(self, pair: Pair, stored: StoredRating, arm: Arm, axis: Axis) -> dict[str, object]:
        side, said = pair.sides.side(arm), pair.answers[arm]
        value, preference = stored.rating.value(side, axis), stored.rating.preference
        counts, model, sampling = said.answer.counts, said.provenance.model, said.provenance.sampling
        return {
            "schema_version": SCHEMA_VERSION,
            "rating_id": stored.id,
            "presentation_id": stored.presentation_id,
            "mode": "exploratory",
            "rater_id": pseudonym(stored.rater_id),
            "case_id": pair.case_key,
            "case_specialty": self._specialty(pair),
            "conversation_id": pair.conversation_id,
            "turn": pair.turn,
            "arm": str(arm),
            "side": str(side),
            "generation_id": said.id,
            "item": str(axis),
            "value": value,
            "value_label": CANNOT_JUDGE if value is None else SCALES[axis].meaning(value),
            "scale_min": LOWEST,
            "scale_max": HIGHEST,
            "not_judgeable": value is None,
            "preference_left_right": preference,
            "preference_ft": None if preference is None else pair.sides.preference_for_finetuned(preference),
            "preference_not_judgeable": preference is None,
            "comment": stored.rating.comment,
            "submitted_at": stored.submitted_at,
            "revision_no": stored.revision_no,
            "superseded": stored.superseded,
            "blinded": stored.blinded,
            "finish_reason": str(said.answer.finish),
            "prompt_tokens": counts.prompt_tokens,
            "thinking_tokens": counts.thinking_tokens,
            "answer_tokens": counts.answer_tokens,
            "total_s": round(said.answer.timings.total_s, 3),
            "base_model": model.base_model,
            "base_revision": model.base_revision,
            "base_sha256": model.base_sha256,
            "adapter_sha256": model.adapter_sha256,
            "adapter_active": said.provenance.adapter_active,
            "precision": model.precision,
            "template_sha256": model.template_sha256,
            "engine": model.engine,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "seed": sampling.seed,
            "max_new_tokens": sampling.max_new_tokens,
            "thinking_mode": sampling.thinking,
            "app_version": stored.app_version,
        }

    def _specialty(self, pair: Pair) -> str:
        return pair.specialty or self._specialties.get(pair.case_id or "", "")


def _answer(pair: Pair, arm: Arm) -> Answer:
    return pair.answers[arm].answer


def _judgement(pair: Pair, stored: StoredRating) -> Judgement:
    def scores(arm: Arm) -> dict[Axis, int | None]:
        return {axis: stored.rating.value(pair.sides.side(arm), axis) for axis in AXES}

    preference = stored.rating.preference
    return Judgement(
        case=pair.case_key,
        rater=pseudonym(stored.rater_id),
        baseline=scores(Arm.BASELINE),
        finetuned=scores(Arm.FINETUNED),
        preference=None if preference is None else pair.sides.preference_for_finetuned(preference),
    )


def _notes(standing: Sequence[tuple[Pair, StoredRating]]) -> list[str]:
    """What a reader must know before believing the table."""
    notes = []
    known = sum(not stored.blinded for _, stored in standing)
    if known:
        notes.append(
            f"{known} of {counted(len(standing), 'rating')} {'was' if known == 1 else 'were'} given by "
            "somebody who could know which model was which."
        )
    tuned = [pair.answers[Arm.FINETUNED].provenance.model for pair, _ in standing]
    models = {(model.base_model, model.adapter_sha256, model.precision) for model in tuned}
    if len(models) > 1:
        notes.append(f"The ratings mix {len(models)} different fine-tuned models in one table.")
    rated = {pair.id: pair for pair, _ in standing}.values()
    for arm in ARMS:
        cut = sum(_answer(pair, arm).finish is Finish.LENGTH for pair in rated)
        if cut:
            notes.append(
                f"{counted(cut, arm.label.lower() + ' answer')} of {len(rated)} ended at the token budget."
            )
    return notes
