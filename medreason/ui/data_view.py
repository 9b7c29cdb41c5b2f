"""Training data before a run: columns, counts, faults, what the preparation kept, overlap with the cases.

Pure: no service, no state. All free text is escaped here.
"""

import html
from collections.abc import Mapping, Sequence
from pathlib import PurePath

from medreason.domain.case import Case
from medreason.domain.dataset import CaseOverlap, Column, PreparedData, RowCounts, RowFault, Source, SourceKind
from medreason.services.background import Work
from medreason.ui import render
from medreason.ui.row_view import text
from medreason.ui.run_history import when

FAULTS_SHOWN = 20
OVERLAPS_SHOWN = 20
NOT_COUNTED = '<p class="mr-note">The usual settings would keep no row. Change them, then press Count again.</p>'


def note(words: str) -> str:
    return f'<p class="mr-note">{text(words, 2000)}</p>'


def rows_word(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def columns_table(columns: Sequence[Column], used_for: Mapping[str, str]) -> str:
    """The columns as they were found. `used_for`: what a column is read as, by its name."""
    body = "".join(
        f'<tr><th scope="row">{text(one.name, 80)}</th><td>{html.escape(used_for.get(one.name, "not used"))}</td>'
        f"<td>{html.escape(one.kind)}</td><td>{text(' '.join(one.example.split()), 160)}</td></tr>"
        for one in columns
    )
    return (
        '<div class="mr-scroll" tabindex="0" role="region" aria-label="Columns">'
        '<table class="mr-table mr-runs mr-rows mr-columns"><thead><tr><th scope="col">Column</th>'
        '<th scope="col">Read as</th><th scope="col">Kind</th><th scope="col">Example</th></tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def found_line(name: str, read: int, faulty: int, notes: Sequence[str] = ()) -> str:
    """How many rows there are and how many are good, in one sentence; then what else is worth telling."""
    said = f"{rows_word(read)} read from {name}, {f'{faulty:,} of them' if faulty else 'none'} faulty."
    return f'<div class="mr-status" role="status">{text(" ".join((said, *notes)), 2000)}</div>'


def uploaded_note(name: str) -> str:
    return note(f"Uploaded: {name}. Press Look at the data.")


def faults_list(faults: Sequence[RowFault], faulty_rows: int) -> str:
    """The first faults by row and column, and how many more there are."""
    if not faults:
        return ""
    items = "".join(f"<li>{text(_fault_words(one), 300)}</li>" for one in faults[:FAULTS_SHOWN])
    more = len(faults) - FAULTS_SHOWN
    rest = f"<li>and {more:,} more</li>" if more > 0 else ""
    return (
        f'<div class="mr-status mr-warn"><b>{rows_word(faulty_rows)} cannot be used.</b>'
        f"<ul>{items}{rest}</ul></div>"
    )


def _fault_words(one: RowFault) -> str:
    said = str(one)
    return said[:1].upper() + said[1:]


def work_view(work: Work | None, kinds: Sequence[str]) -> str:
    """What is being done, with a bar, or why it failed; empty for work of other kinds and for what is done."""
    if work is None or work.kind not in kinds or (work.done and not work.fault):
        return ""
    if work.fault:
        return render.fault(work.fault)
    return render.working(work.words or "Beginning…", work.share)


def stages(counts: RowCounts) -> str:
    """What each stage of the preparation left out, and what remains."""
    remaining = counts.read
    rows = [("Rows read", "", f"{remaining:,}")]
    for words, left_out in (
        ("Faulty", counts.faulty),
        ("Thinking too short", counts.short_thinking),
        ("Equal question, only the first kept", counts.equal),
        ("Nearly equal question, only the first kept", counts.nearly_equal),
        ("Not drawn", counts.not_drawn),
    ):
        remaining -= left_out
        rows.append((words, f"−{left_out:,}" if left_out else "0", f"{remaining:,}"))
    rows += [("To learn from", "", f"{counts.train:,}"), ("Held out", "", f"{counts.held_out:,}")]
    body = "".join(
        f'<tr><th scope="row">{words}</th><td>{left_out}</td><td>{kept}</td></tr>'
        for words, left_out, kept in rows
    )
    return (
        '<table class="mr-table mr-stages" aria-label="Rows kept"><thead><tr><th scope="col">Stage</th>'
        '<th scope="col">Left out</th><th scope="col">Remaining</th></tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def overlaps_view(overlaps: Sequence[CaseOverlap], cases: Mapping[str, Case]) -> str:
    """Cases of the deck that the model would have seen in training."""
    deck = f"{len(cases):,} case{'' if len(cases) == 1 else 's'} of the deck"
    if not overlaps:
        return f'<div class="mr-status">None of the {deck} is equal or near to a row.</div>'
    items = "".join(f"<li>{text(_overlap_words(one, cases), 400)}</li>" for one in overlaps[:OVERLAPS_SHOWN])
    more = len(overlaps) - OVERLAPS_SHOWN
    rest = f"<li>and {more:,} more</li>" if more > 0 else ""
    return (
        f'<div class="mr-status mr-warn"><b>{len(overlaps):,} of the {deck} are equal or near to a row.</b> '
        "A model trained on these rows has seen them, so its answers to them show memory and not reasoning: leave "
        f"them out when you rate.<ul>{items}{rest}</ul></div>"
    )


def _overlap_words(one: CaseOverlap, cases: Mapping[str, Case]) -> str:
    case = cases.get(one.case_id)
    words = " ".join(case.text.split())[:90] if case else one.case_id
    alike = "equal" if one.similarity >= 1 else f"{one.similarity:.0%} alike"
    return f"{words}… ({one.case_id}; row {one.row:,}, {alike})"


def source_words(source: Source) -> str:
    """Where rows came from, without the place of a file on this computer."""
    match source.kind:
        case SourceKind.CURRICULUM:
            return "the embedded cases"
        case SourceKind.PREPARED:
            return f"prepared data {source.place}"
        case SourceKind.FILE:
            return PurePath(source.place).name
    parts = [source.place, source.config, f"revision {source.revision}" if source.revision else ""]
    return ", ".join(part for part in parts if part)


def prepared_head(data: PreparedData) -> str:
    """What prepared data are, in one card's head."""
    kept = data.preparation
    rule = [
        f"thinking longer than {kept.min_thinking_chars:,} characters" if kept.min_thinking_chars else "",
        "no duplicates" if kept.drop_duplicates else "",
        f"at most {kept.max_rows:,} rows" if kept.max_rows else "",
        f"{kept.eval_fraction:.0%} held out",
        f"seed {kept.seed}",
    ]
    return (
        f'<div class="mr-run-head"><b>{text(data.name, 80)}</b><span class="mr-chip">prepared</span>'
        f'<span class="mr-note">from {text(source_words(data.source), 200)} · '
        f"{html.escape(', '.join(part for part in rule if part))} · "
        f"{html.escape(when(data.created_at))} UTC</span></div>"
    )
