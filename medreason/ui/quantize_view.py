"""What quantizing a base has come to, in words. Pure: values in, markup out."""

import html

from medreason.services.background import Work
from medreason.services.quantizing import QuantizedBase
from medreason.ui import render


def words_of(work: Work | None) -> str:
    """How far it is, why it failed, or what came of it."""
    if work is None:
        return ""
    if work.fault:
        return render.fault(work.fault)
    if not work.done:
        return render.working(work.words or "Starting to quantize…", work.share)
    made = work.result
    if not isinstance(made, QuantizedBase):
        return ""
    report = html.escape(made.report).replace("\n", "&#10;")
    return (
        f'<div class="mr-status" role="status">The base in 4 bits is ready. To train on it, give '
        f"<b>{html.escape(made.name)}</b> as the base model.</div>"
        f'<pre class="mr-log" tabindex="0" aria-label="What quantizing found">{report}</pre>'
    )
