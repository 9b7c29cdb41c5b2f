"""What a study's own data say of it, each in one line of Markdown for a reporting checklist."""

from collections.abc import Mapping
from statistics import fmean

from medreason.domain.arms import ARMS, Arm
from medreason.domain.pack import GenerationRow, PackData
from medreason.services.pack.describing import one_line
from medreason.services.reading import counted

OPEN = "*to be written by the authors*"


def _first(data: PackData, arm: Arm) -> GenerationRow | None:
    return next((row for row in data.generations if row.arm == arm), None)


def model(data: PackData) -> str:
    row = _first(data, Arm.FINETUNED)
    if row is None:
        return ""
    name = f"{row.base_model}{f' at {row.base_revision}' if row.base_revision else ''}"
    adapter = f"adapter {row.adapter_id or 'without a name'} (SHA-256 {row.adapter_sha256[:12] or 'not known'})"
    return one_line(f"Baseline: {name}. Fine-tuned: the same with {adapter}.")


def details(data: PackData) -> str:
    row = _first(data, Arm.FINETUNED)
    if row is None:
        return OPEN
    return one_line(
        f"Precision {row.precision or 'not known'} in both arms; {row.self_test or 'no self-test recorded'}"
    )


def prompt(data: PackData) -> str:
    prompts = {row.system_prompt for row in data.generations}
    templates = {row.template_sha256 for row in data.generations}
    if not data.generations or templates == {""}:
        return OPEN
    one = "one template" if len(templates) == 1 else f"{len(templates)} templates"
    return (
        f"{one} in both arms; {'no system prompt' if prompts == {''} else counted(len(prompts), 'system prompt')}"
    )


def queries(data: PackData) -> str:
    settings = {_words(row.sampling) for row in data.generations if row.sampling}
    said = f"{counted(len(data.cases), 'case')}, {counted(len(data.generations), 'answer')}"
    return f"{said}; {'; '.join(sorted(settings)[:3])}" if settings else said


def _words(sampling: Mapping[str, object] | None) -> str:
    return one_line(", ".join(f"{name} {value}" for name, value in sorted((sampling or {}).items())))


def raters(data: PackData) -> str:
    raters = {row.rater_id: row for row in data.ratings}
    if not raters:
        return OPEN
    roles = sorted({one_line(row.rater_role) for row in raters.values() if row.rater_role})
    years = [row.years_practice for row in raters.values() if row.years_practice is not None]
    said = f"{counted(len(raters), 'rater')}{f' ({chr(44).join(roles)})' if roles else ''}"
    if years:
        said += f", {min(years)} to {max(years)} years in practice"
    return f"{said}; three scales of 1 to 5, every point anchored; “cannot judge” off the scale"


def size(data: PackData) -> str:
    planned = data.study.planned_cases
    rated = counted(data.rated_cases, "case")
    return f"{planned} planned, {rated} rated" if planned else f"{rated} rated; no number was planned"


def dates(data: PackData) -> str:
    times = sorted(row.created_at for row in data.generations if row.created_at)
    return f"answers generated {times[0][:10]} to {times[-1][:10]}" if times else f"dates {OPEN}"


def sources(data: PackData) -> str:
    """Where the rated cases come from."""
    named = sorted({one_line(row.source) for row in data.cases if row.source})
    return f"{counted(len(data.cases), 'case')}: {', '.join(named)}" if named else OPEN


def several_raters(data: PackData) -> str:
    """How many rated, and how much of it was rated by more than one."""
    by_case: dict[str, set[str]] = {}
    for row in data.ratings:
        by_case.setdefault(row.case_id, set()).add(row.rater_id)
    if not by_case:
        return OPEN
    several = sum(len(own) > 1 for own in by_case.values())
    everybody = counted(len(set().union(*by_case.values())), "rater")
    return f"{everybody}; {several} of {counted(len(by_case), 'case')} rated by more than one"


def missing(data: PackData) -> str:
    standing = [row for row in data.ratings if not row.superseded]
    unjudged = sum(row.value is None for row in standing)
    if not standing:
        return OPEN
    return f"“cannot judge” is missing, never a midpoint: {unjudged} of {counted(len(standing), 'score')}"


def time_taken(data: PackData) -> str:
    """Mean seconds an answer took, arm by arm."""
    said = []
    for arm in ARMS:
        taken = [row.total_ms for row in data.generations if row.arm == arm and row.total_ms]
        if taken:
            said.append(f"{arm.label.lower()} {fmean(taken) / 1000:.1f} s")
    return f"mean time of an answer: {', '.join(said)}; the machine {OPEN}" if said else OPEN


def output(data: PackData) -> str:
    cut = sum(row.finish_reason == "length" for row in data.generations)
    return f"{cut} of {counted(len(data.generations), 'answer')} ended at the token budget"


def blinding(data: PackData) -> str:
    known = sum(not row.blinded for row in data.ratings if not row.superseded)
    total = sum(not row.superseded for row in data.ratings)
    if not total:
        return OPEN
    looks = (
        f"; {counted(data.study.interim_looks, 'look')} at the arms before closing"
        if data.study.interim_looks
        else ""
    )
    return f"{total - known} of {total} scores were given blind{looks}"


def statement(data: PackData, key: str) -> str:
    return one_line(data.study.statements.get(key, "")) or OPEN


def ethics(data: PackData) -> str:
    said = [one_line(data.study.statements.get(key, "")) for key in ("ethics", "consent")]
    return "; ".join(one for one in said if one) or OPEN
