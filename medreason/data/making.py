"""Makes prepared data out of rows that were read: kept, measured, compared with the cases, written whole.

How the tokenizer is had is passed in, and it is asked for only once the rows are known to be good.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from medreason.data.overlap import overlap
from medreason.data.preparation import prepare
from medreason.data.prepared import refuse_existing, write_prepared
from medreason.data.sources import Loaded, Report, read_good
from medreason.domain.case import Case
from medreason.domain.dataset import Preparation, PreparedData, Source, SourceKind
from medreason.text.lengths import lengths_of, propose_max_length

DEDUPLICATED = 0.25


def make_prepared(
    path: Path,
    source: Source,
    loaded: Loaded,
    preparation: Preparation,
    load_tokenizer: Callable[[], Any],
    tokenizer_name: str,
    cases: Sequence[Case],
    report: Report | None = None,
) -> PreparedData:
    """Prepare what was read and write it to the new folder `path`, whose name becomes the name of the data. Raises
    `MedReasonError` where the rows or the folder cannot be used; nothing is left behind then."""
    say = report or (lambda share, words: None)
    refuse_existing(path)
    rows = read_good(loaded, preparation.skip_faulty_rows)
    made = prepare(
        rows, preparation, loaded.faulty, lambda share: say(DEDUPLICATED * share, "Looking for duplicates…")
    )
    every = (*made.train, *made.held_out)
    lengths = lengths_of(
        load_tokenizer(),
        tokenizer_name,
        [row.texts for row in every],
        lambda share: say(DEDUPLICATED + (0.95 - DEDUPLICATED) * share, "Counting tokens…"),
    )
    say(0.95, "Writing the prepared data…")
    data = PreparedData(
        name=path.name,
        source=_without_place(source, loaded),
        preparation=preparation,
        counts=made.counts,
        sha256_train="",
        sha256_held_out="",
        source_sha256=loaded.sha256,
        tokenizer=tokenizer_name,
        proposed_max_length=propose_max_length(lengths),
        overlaps=overlap(cases, made.train),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    return write_prepared(path, data, made.train, made.held_out, lengths)


def _without_place(source: Source, loaded: Loaded) -> Source:
    """The source as others may know it: files by name, hub data at the commit that was read."""
    place = loaded.name if source.kind in (SourceKind.FILE, SourceKind.PREPARED) else source.place
    return replace(source, place=place, revision=loaded.revision or source.revision)
