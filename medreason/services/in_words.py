"""The evaluation in one sentence that claims no more than its numbers, and what must be read with it."""

import json
from collections.abc import Sequence

from medreason.domain.arms import ARMS, Arm
from medreason.domain.pack import PackData
from medreason.services.reading import counted, minus, signed
from medreason.stats.estimate import FEW_FOR_TEST, NA, Interval
from medreason.stats.evaluation import Evaluation
from medreason.stats.outcomes import PREFERENCE, PRIMARY_FAMILY
from medreason.stats.preference import Adjusted
from medreason.stats.rows import Row

LEVEL = 0.05
NO_RATINGS = "No ratings yet."
# Landis & Koch 1977, Biometrics 33:159.
WORDS = ((0.0, "poor"), (0.2, "slight"), (0.4, "fair"), (0.6, "moderate"), (0.8, "substantial"))
BEST_WORD = "almost perfect"
ALIKE = {
    "the base model": "base_sha256",
    "precision": "precision",
    "template": "template_sha256",
    "system prompt": "system_prompt",
    "sampling": "sampling",
}


def sentence(evaluation: Evaluation) -> str:
    """How many cases and raters, on which axes the arms were told apart, and how far raters agreed."""
    if not evaluation.n_cases:
        return NO_RATINGS
    rests_on = (
        f"On {counted(evaluation.n_cases, 'case')} rated by {counted(evaluation.n_raters, 'person', 'people')}"
    )
    rows = [evaluation.row(axis) for axis in PRIMARY_FAMILY]
    judged = [row for row in rows if row.n_paired]
    if evaluation.n_cases < FEW_FOR_TEST or not judged:
        return (
            f"{rests_on}, {_preferred(evaluation.row(PREFERENCE))} So few cases do not show which model is better."
        )
    better = [_with_difference(row) for row in judged if _told_apart(row) and _lead(row) > 0]
    worse = [_with_difference(row) for row in judged if _told_apart(row) and _lead(row) < 0]
    open_ = [row.outcome.label.lower() for row in judged if not _told_apart(row)]
    said = []
    if better:
        said.append(f"the fine-tuned model was rated higher on {listed(better)}")
    if worse:
        said.append(f"{'it' if better else 'the fine-tuned model'} was rated lower on {listed(worse)}")
    if open_:
        said.append(f"no difference was shown for {listed(open_)}")
    return f"{rests_on}, {listed(said)}; {agreement(judged)}."


def agreement(rows: Sequence[Row]) -> str:
    """How far raters agreed over these rows, by Krippendorff's alpha in Landis and Koch's words."""
    alphas = [a for row in rows if not isinstance(a := row.agreement.scores.alpha.value, NA)]
    if not alphas:
        return "agreement between raters cannot be told"
    low, high = agreement_word(min(alphas)), agreement_word(max(alphas))
    span = " to ".join(dict.fromkeys(minus(alpha, 2) for alpha in (min(alphas), max(alphas))))
    return f"agreement was {low if low == high else f'{low} to {high}'} (α {span})"


def agreement_word(alpha: float) -> str:
    return next((word for below, word in WORDS if alpha < below + (1e-12 if below else 0)), BEST_WORD)


def warnings(evaluation: Evaluation, data: PackData) -> tuple[str, ...]:
    """Everything that must be read with the table, the gravest first, each with the row it concerns."""
    said = []
    study = data.study
    if study.mode == "exploratory" and evaluation.n_cases:
        said.append("Exploratory: not blinded by protocol. No study planned these ratings.")
    if study.mode == "confirmatory" and study.state != "closed" and evaluation.n_cases:
        said.append("Interim: the study is not closed, and this look at the arms was not planned for.")
    elif study.interim_looks:
        looks = counted(study.interim_looks, "time")
        said.append(f"The arms were looked at {looks} before the study was closed.")
    # Said above already, and more plainly.
    said += [one for one in evaluation.warnings if not (study.mode == "exploratory" and "planned study" in one)]
    said += truncated(data)
    said += several_models(data)
    said += asked_unlike(data)
    said += length_bias(evaluation)
    for row in evaluation.rows:
        said += [f"{row.outcome.label}: {one[0].lower()}{one[1:]}" for one in row.warnings if _adds(one)]
    return tuple(dict.fromkeys(said))


def truncated(data: PackData) -> list[str]:
    """Answers that ended at the token budget, by arm."""
    rated = {row.generation_id for row in data.ratings}
    said = []
    for arm in ARMS:
        own = [row for row in data.generations if row.arm == arm and row.generation_id in rated]
        cut = sum(row.finish_reason == "length" for row in own)
        if cut:
            said.append(f"{counted(cut, arm.label.lower() + ' answer')} of {len(own)} ended at the token budget.")
    return said


def several_models(data: PackData) -> list[str]:
    """One table must not mix models."""
    tuned = {
        (row.base_model, row.base_sha256, row.adapter_sha256, row.precision)
        for row in data.generations
        if row.arm == Arm.FINETUNED
    }
    return [f"The ratings mix {len(tuned)} different fine-tuned models in one table."] if len(tuned) > 1 else []


def asked_unlike(data: PackData) -> list[str]:
    """Whatever but the adapter differs between the arms could be what the raters saw."""
    rated = {row.generation_id for row in data.ratings}
    settings: dict[str, dict[str, set[str]]] = {name: {} for name in ALIKE}
    for row in data.generations:
        if row.generation_id in rated and row.base_model:
            for name, column in ALIKE.items():
                given = json.dumps(getattr(row, column), sort_keys=True, default=str)
                settings[name].setdefault(row.arm, set()).add(given)
    both = {name: arms for name, arms in settings.items() if len(arms) == len(ARMS)}
    unlike = [name for name, arms in both.items() if len(set(map(frozenset, arms.values()))) > 1]
    return [f"The arms were not asked alike: they differ in {listed(unlike)}."] if unlike else []


def length_bias(evaluation: Evaluation) -> list[str]:
    """Whether longer answers were preferred, where enough comparisons were made to tell."""
    adjusted = evaluation.row(PREFERENCE).adjusted
    effect = adjusted.effects.get("tokens") if isinstance(adjusted, Adjusted) else None
    if effect is None or not isinstance(effect.interval, Interval):
        return []
    if effect.interval.low > 0:
        return ["Longer answers were preferred; read the preference adjusted for length beside the raw one."]
    if effect.interval.high < 0:
        return ["Shorter answers were preferred; read the preference adjusted for length beside the raw one."]
    return []


def listed(parts: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _preferred(row: Row) -> str:
    if isinstance(row.wins, NA) or not row.n_cases:
        return "nobody could say which answer was better."
    return (
        f"the fine-tuned answer was preferred in {row.wins} and the baseline’s in {row.losses}; "
        f"they were about the same in {row.ties}."
    )


def _told_apart(row: Row) -> bool:
    return not isinstance(row.p_adjusted, NA) and row.p_adjusted < LEVEL


def _lead(row: Row) -> float:
    return 0.0 if isinstance(row.difference.value, NA) else row.difference.value


def _with_difference(row: Row) -> str:
    return f"{row.outcome.label.lower()} ({signed(_lead(row), 2)} points)"


def _adds(warning: str) -> bool:
    """Few cases are said once for the study, not again for every row."""
    return not warning.startswith("Fewer than")
