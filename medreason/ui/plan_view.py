"""What a run will need before it is started, as the page shows it: bars, formulas, faults and warnings.

Pure: no service, no state. All free text is escaped here.
"""

import base64
import html
from collections.abc import Callable, Sequence

from medreason.domain.estimate import Estimate, Finding, Machine, Part, Severity
from medreason.domain.pace import about
from medreason.services.training_plan import PlannedRows
from medreason.ui.run_view import duration

GIB = 1024**3
TIGHT = 0.9


def size(amount: float) -> str:
    """Bytes in words: "512 MiB", "18.2 GiB"."""
    if amount >= 0.995 * GIB:
        return f"{amount / GIB:,.1f} GiB"
    return f"{max(1, round(amount / 1024**2)):,} MiB" if amount > 0 else "none"


def estimate_view(estimate: Estimate, machine: Machine, rows: PlannedRows) -> str:
    """Rows, memory, time and disk: a bar against what this computer has, and each formula behind a fold."""
    needs = [_memory(estimate, machine), _time(estimate), _disk(estimate, machine)]
    return (
        '<div class="mr-card mr-plan"><div class="mr-run-head"><b>What the run will need</b>'
        f'<span class="mr-chip">estimate</span></div>{_rows(rows, estimate.steps)}'
        f"{''.join(need for need in needs if need)}</div>"
    )


def _rows(rows: PlannedRows, steps: int) -> str:
    of = f" of {rows.read:,}" if rows.read else ""
    total = rows.train + rows.held_out
    held_out = f", {rows.held_out:,} held out to measure the loss on" if rows.held_out else ""
    said = (
        f"{total:,}{of} rows: {rows.train:,} to learn from{held_out}; {steps:,} step{'s' if steps != 1 else ''}."
    )
    if rows.cut > 0:
        said += (
            f" {rows.cut:.1%} of the rows lose their end." if rows.cut >= 0.001 else " A few rows lose their end."
        )
    return f'<p class="mr-note">{html.escape(" ".join((said, rows.assumed)).strip())}</p>'


def _memory(estimate: Estimate, machine: Machine) -> str:
    if not estimate.gpu_memory:
        return ""
    needed = estimate.gpu_memory_bytes
    if machine.gpu_memory:
        free = machine.gpu_memory_free
        where = f"{size(needed)} of {size(free)} free"
        detail = f"{machine.gpu_name or 'The GPU'} has {size(machine.gpu_memory)} in all."
    else:
        free = machine.memory
        where = f"{size(needed)} of {size(free)}" if free else size(needed)
        detail = "This computer has no GPU that can be used, so the run takes its own memory."
    name = "GPU memory" if machine.gpu_memory else "Memory"
    return _need(name, where, needed, free, detail, estimate.gpu_memory, size)


def _time(estimate: Estimate) -> str:
    if estimate.seconds is None:
        return _need("Time", "shows after the first steps", 0, 0, "Nothing is known to go by yet.", (), duration)
    said = [f"Going by run {estimate.measured_by} on this computer."] if estimate.measured_by else []
    if estimate.pass_seconds is not None:
        said.append(f"One pass over the rows to learn from: {about(estimate.pass_seconds)}.")
    return _need("Time", about(estimate.seconds), 0, 0, " ".join(said), estimate.time, duration)


def _disk(estimate: Estimate, machine: Machine) -> str:
    if not estimate.disk:
        return ""
    needed, free = estimate.disk_bytes, machine.disk_free
    where = f"{size(needed)} of {size(free)} free" if free else size(needed)
    return _need("Disk", where, needed, free, "", estimate.disk, size)


def _need(
    name: str,
    words: str,
    needed: float,
    there: float,
    detail: str,
    parts: Sequence[Part],
    amount_words: Callable[[float], str],
) -> str:
    """One line of the estimate. `there` is what this computer has, 0 where no bar tells anything."""
    bar = ""
    if there > 0:
        share = needed / there
        percent = min(100, round(100 * share))
        kind = " mr-bar-over" if share > 1 else " mr-bar-tight" if share > TIGHT else ""
        said = ", more than there is" if share > 1 else ", tight" if share > TIGHT else ""
        words += said
        bar = (
            f'<div class="mr-bar{kind}" role="meter" aria-label="{html.escape(name)} needed of what is there" '
            f'aria-valuemin="0" aria-valuemax="100" aria-valuenow="{percent}">'
            f'<span style="width:{max(percent, 1)}%"></span></div>'
        )
    formulas = "".join(
        f'<tr><th scope="row">{html.escape(part.what)}</th><td>{html.escape(amount_words(part.amount))}</td>'
        f'<td class="mr-formula">{html.escape(part.formula)}</td></tr>'
        for part in parts
    )
    fold = (
        f'<details class="mr-fold"><summary>How {html.escape(name.lower() if name != "GPU memory" else name)} is '
        'reckoned</summary><div class="mr-scroll" tabindex="0" role="region" '
        f'aria-label="Formulas: {html.escape(name)}"><table class="mr-table mr-runs"><tbody>{formulas}</tbody>'
        "</table></div></details>"
        if parts
        else ""
    )
    note = f'<p class="mr-note">{html.escape(detail)}</p>' if detail else ""
    return (
        f'<div class="mr-need"><div class="mr-need-head"><span>{html.escape(name)}</span>'
        f"<b>{html.escape(words)}</b></div>{bar}{note}{fold}</div>"
    )


def findings_view(findings: Sequence[Finding]) -> str:
    """Errors first, then warnings; told apart by their words, not by their colour alone."""
    if not findings:
        return ""
    errors = [one for one in findings if one.severity is Severity.ERROR]
    warnings = [one for one in findings if one.severity is Severity.WARNING]
    drawn = [_finding("Cannot start", one.text, "mr-fault", "alert") for one in errors]
    drawn += [_finding("Warning", one.text, "mr-warn", "note") for one in warnings]
    return f'<div class="mr-findings">{"".join(drawn)}</div>'


def _finding(word: str, text: str, kind: str, role: str) -> str:
    return f'<div class="mr-status {kind}" role="{role}"><b>{word}.</b> {html.escape(text)}</div>'


def blocks(findings: Sequence[Finding]) -> bool:
    """Whether one of them keeps a run from being started."""
    return any(one.severity is Severity.ERROR for one in findings)


def download_link(run_name: str, yaml: str) -> str:
    """A link that saves the settings as a file. They travel in the link itself, so no file is made for it."""
    content = base64.b64encode(yaml.encode("utf-8")).decode("ascii")
    name = html.escape(f"{run_name}.yaml")
    return (
        f'<p><a class="mr-download" download="{name}" href="data:application/yaml;base64,{content}">Save the '
        f"settings as {name}</a></p>"
    )
