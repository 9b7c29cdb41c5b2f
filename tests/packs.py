"""Makes packs of data for tests: a study with everything that can be rated, from one seed."""

import random
from dataclasses import replace

from medreason.domain.arms import ARMS, Arm
from medreason.domain.pack import (
    CaseRow,
    EventRow,
    GenerationRow,
    PackData,
    PairRow,
    RatingRow,
    SpanRow,
    StudyFacts,
    answer_sha256,
    text_sha256,
)

SPECIALTIES = ("nephrology", "neurology", "endocrinology")
YES_NO = {"final_answer_correct": 2, "harm_extent": 3, "omission": 2, "trace_consistent": 1}


def study_pack(
    n_cases: int = 12,
    n_raters: int = 2,
    seed: int = 7,
    full: bool = True,
    comments: tuple[str, ...] = (),
    **facts: object,
) -> PackData:
    """`full` adds the second instrument, spans, guesses and lengths. `comments` are given in turn."""
    rng = random.Random(seed)
    cases, generations, ratings, pairs, spans = [], [], [], [], []
    for c in range(n_cases):
        case, specialty, gain = f"case-{c:02d}", SPECIALTIES[c % 3], rng.gauss(0.5, 0.8)
        cases.append(
            CaseRow(case_id=case, text=f"Case {c}: what now?", specialty=specialty, reference_answer="Gout.")
        )
        said = {}
        for arm in ARMS:
            thinking = "" if arm is Arm.BASELINE else f"Let me think about case {c}. The joint is hot."
            answer = f"Gout 🩺 of case {c}, dose 300 mg."
            made = GenerationRow(
                generation_id=f"g{2 * c + (arm is Arm.FINETUNED)}",
                case_id=case,
                arm=str(arm),
                base_model="some/base",
                base_revision="r1",
                adapter_id="canary-adapter",
                adapter_sha256="a" * 64,
                adapter_active=arm is Arm.FINETUNED,
                precision="bfloat16",
                template_sha256="t" * 64,
                sampling={"temperature": 0.6, "seed": 42},
                finish_reason="length" if c == 1 and arm is Arm.FINETUNED else "stop",
                prompt_tokens=20,
                thinking_tokens=0 if arm is Arm.BASELINE else 40 + c,
                answer_tokens=60 + 3 * c,
                ttft_ms=120.5,
                total_ms=2000.25,
                thinking_text=thinking,
                answer_text=answer,
                sha256=answer_sha256(thinking, answer),
                created_at="2026-11-20T10:00:00+00:00",
                library_versions={"torch": "2"},
                base_sha256="b" * 64,
                engine="scripted",
            )
            generations.append(made)
            said[arm] = made
        for r in range(n_raters):
            rater, left = f"R{r + 1:02d}", rng.choice(ARMS)
            shown = {"presentation_id": f"{case}/{rater}", "rater_id": rater, "case_id": case}
            lead = 0.0
            for arm in ARMS:
                common = {
                    **shown,
                    "study_id": str(facts.get("study_id", "pilot")),
                    "rating_id": f"{case}-{rater}",
                    "mode": str(facts.get("mode", "confirmatory")),
                    "case_specialty": specialty,
                    "arm": str(arm),
                    "side": "left" if arm is left else "right",
                    "generation_id": said[arm].generation_id,
                    "confidence": 3 + c % 3,
                    "active_ms": 60_000 + 1000 * c,
                    "submitted_at": "2026-11-21T10:00:00+00:00",
                }
                shift = gain if arm is Arm.FINETUNED else 0.0
                for item in "DFH":
                    value = min(5, max(1, round(3.2 + shift + rng.gauss(0, 0.7))))
                    phase = "with_trace" if item == "D" else "answer_only"
                    lead += value if arm is Arm.FINETUNED else -value
                    ratings.append(
                        RatingRow(item=item, value=value, phase=phase, value_label=f"point {value}", **common)
                    )
                if not full:
                    continue
                for item, top in YES_NO.items():
                    scale = {"scale_min": 0, "scale_max": top}
                    phase = "with_trace" if item == "trace_consistent" else "answer_only"
                    ratings.append(RatingRow(item=item, value=rng.randint(0, top), phase=phase, **scale, **common))
                ratings.append(RatingRow(item="none_found", value=1, scale_min=0, scale_max=1, **common))
                if rng.random() < 0.4:
                    start = rng.randint(0, 4)
                    text = said[arm].answer_text
                    spans.append(
                        SpanRow(
                            span_id=f"s{len(spans)}",
                            rater_id=rater,
                            case_id=case,
                            generation_id=said[arm].generation_id,
                            arm=str(arm),
                            start=start,
                            end=start + 6,
                            quote=text[start : start + 6],
                            text_sha256=text_sha256(text),
                            type=rng.choice(("fabricated_fact", "wrong_number_or_dose")),
                            severity=rng.randint(1, 4),
                        )
                    )
            preference = max(-3, min(3, round(lead / 3)))
            pairs.append(
                PairRow(
                    pair_id=f"pair-{c}",
                    **shown,
                    mode=str(facts.get("mode", "confirmatory")),
                    case_kind="study",
                    pref_ft=preference,
                    raw_left_right=-preference if left is Arm.FINETUNED else preference,
                    outcome="win" if preference > 0 else "loss" if preference < 0 else "tie",
                    left_arm=str(left),
                    arm_guess=rng.choice(("left", "right", "dk")) if full else "",
                    len_tokens_left=100 + c if left is Arm.FINETUNED else 60 + 3 * c,
                    len_tokens_right=60 + 3 * c if left is Arm.FINETUNED else 100 + c,
                    comment=comments[len(pairs) % len(comments)] if comments else "",
                )
            )
    settings = {"study_id": "pilot", "title": "Nephrology pilot", "state": "closed", "unblinded": True, **facts}
    return PackData(
        study=StudyFacts(**settings),  # type: ignore[arg-type]
        cases=tuple(cases),
        generations=tuple(generations),
        ratings=tuple(ratings),
        pairs=tuple(pairs),
        spans=tuple(spans),
        events=(EventRow(event_id="1", at="2026-11-20T09:00:00+00:00", actor="lead", action="study opened"),),
    )


def without_arms(data: PackData) -> PackData:
    """The same as a study gives it before unblinding: arms as X and Y, no word of the models."""
    letter = {str(arm): name for arm, name in zip(ARMS, "XY", strict=True)}

    def answer(row: GenerationRow) -> GenerationRow:
        plain = GenerationRow(generation_id=row.generation_id, case_id=row.case_id, arm=letter[row.arm])
        return replace(plain, thinking_text=row.thinking_text, answer_text=row.answer_text, sha256=row.sha256)

    return replace(
        data,
        study=replace(data.study, unblinded=False),
        generations=tuple(map(answer, data.generations)),
        ratings=tuple(replace(row, arm=letter[row.arm]) for row in data.ratings),
        pairs=tuple(
            replace(row, left_arm=letter[row.left_arm], len_tokens_left=None, len_tokens_right=None)
            for row in data.pairs
        ),
        spans=tuple(replace(row, arm=letter[row.arm]) for row in data.spans),
    )
