"""Prepares training data once for all runs: reads, checks, filters, frees of duplicates, splits, measures, writes.

Prints what each stage left out, the lengths in tokens, what a longest row of 1,024, 2,048 and 4,096 tokens would
cut off, and which cases of the deck are among the rows. Works without network where its inputs are local.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from medreason.arguments import Parser, data_folder
from medreason.data.cases import load_cases
from medreason.data.making import make_prepared
from medreason.data.prepared import CASES_FILE, HELD_OUT_FILE, TRAIN_FILE, read_lengths, refuse_existing
from medreason.data.sources import Loaded, Report, load, source_of
from medreason.demo import CASES
from medreason.domain.dataset import CaseOverlap, Preparation, PreparedData, RowCounts
from medreason.domain.training import RUN_NAME
from medreason.errors import MedReasonError
from medreason.models.tokenizer import load_tokenizer, tokenizer_name
from medreason.text.lengths import cut_off, cut_off_sentence, proposal_sentence, table_lines

CUT_AT = (1024, 2048, 4096)
OVERLAPS_SHOWN = 20
TELL_EVERY_S = 10.0


def read_arguments(words: list[str]) -> argparse.Namespace:
    usual = Preparation()
    parser = Parser(prog="prepare_data.py", description=__doc__)
    parser.add_argument(
        "--source",
        required=True,
        metavar="ID|FILE",
        help="hub id such as FreedomIntelligence/medical-o1-reasoning-SFT; a .jsonl, .json, .csv or .parquet "
        "file; or “curriculum” for the embedded rows",
    )
    parser.add_argument("--config", default="", help="which part of a hub data set, such as en")
    parser.add_argument("--revision", default="", help="hub revision (commit or tag); empty means the newest")
    parser.add_argument(
        "--columns",
        default="",
        metavar="NAMES",
        help="where columns are named otherwise: Question=prompt,Complex_CoT=cot,Response=answer",
    )
    parser.add_argument(
        "--tokenizer",
        default="embedded",
        metavar="ID|DIR",
        help="base model whose tokenizer counts: a hub id, a folder, or embedded (default)",
    )
    parser.add_argument("--tokenizer-revision", default="", metavar="REV", help="hub revision of the tokenizer")
    parser.add_argument(
        "--min-thinking",
        type=int,
        default=usual.min_thinking_chars,
        metavar="N",
        help="leave out rows whose thinking is not longer than this many characters (default %(default)s)",
    )
    parser.add_argument("--keep-duplicates", action="store_true", help="keep rows with equal or like questions")
    parser.add_argument(
        "--max-rows", type=int, default=usual.max_rows, metavar="N", help="draw at most this many; 0 means all"
    )
    parser.add_argument(
        "--eval-fraction",
        type=float,
        default=usual.eval_fraction,
        metavar="SHARE",
        help="share of the rows to hold out (default %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=usual.seed, help="of draw and split (default %(default)s)")
    parser.add_argument("--skip-faulty", action="store_true", help="leave faulty rows out, not refuse them")
    parser.add_argument(
        "--cases", type=Path, default=CASES, metavar="FILE", help="case deck to compare with (default: embedded)"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="new folder; its name is the name of the data"
    )
    parser.add_data_dir("data folder: of other prepared data, and where the embedded model is unpacked")
    return parser.parse_args(words)


def teller() -> Report:
    """Says on stderr what is being done: each thing once, and how far it is every ten seconds."""
    last = ["", 0.0]

    def tell(share: float | None, words: str) -> None:
        kind, now = words.split("…")[0].rstrip("0123456789, rows"), time.monotonic()
        if kind != last[0] or now - float(last[1]) > TELL_EVERY_S:
            last[:] = [kind, now]
            print(words if share is None else f"{words} {share:.0%}", file=sys.stderr, flush=True)

    return tell


def counts_lines(counts: RowCounts) -> Iterator[str]:
    """What each stage left out, and what remains."""
    left = counts.read
    yield f"{'rows read':<34}{counts.read:>9,}"
    for words, count in (
        ("faulty", counts.faulty),
        ("thinking too short", counts.short_thinking),
        ("equal question", counts.equal),
        ("nearly equal question", counts.nearly_equal),
        ("not drawn", counts.not_drawn),
    ):
        left -= count
        yield f"  {words + ', left out':<32}{count:>9,}{left:>9,} left"
    yield f"{'to learn from':<34}{counts.train:>9,}"
    yield f"{'held out':<34}{counts.held_out:>9,}"


def overlap_lines(overlaps: tuple[CaseOverlap, ...], cases: int) -> Iterator[str]:
    if not overlaps:
        yield f"None of the {cases} cases is equal or near to a row to learn from."
        return
    yield f"{len(overlaps)} of the {cases} cases are equal or near to a row to learn from; do not rate these:"
    for one in overlaps[:OVERLAPS_SHOWN]:
        alike = "equal" if one.similarity == 1 else f"{one.similarity:.0%} alike"
        yield f"  {one.case_id}, row {one.row}: {alike}"
    if len(overlaps) > OVERLAPS_SHOWN:
        yield f"  and {len(overlaps) - OVERLAPS_SHOWN} more"


def summary(data: PreparedData, loaded: Loaded, out: Path, cases: int) -> Iterator[str]:
    lengths = read_lengths(out)
    revision = f", revision {loaded.revision}" if loaded.revision else ""
    yield f"{loaded.name}{revision} (SHA-256 {loaded.sha256[:16]}…)"
    yield from loaded.notes
    yield ""
    yield from counts_lines(data.counts)
    yield ""
    yield f"Lengths by the tokenizer of {data.tokenizer}, over all {len(lengths.whole):,} rows:"
    yield from table_lines(lengths)
    yield ""
    for at in CUT_AT:
        yield cut_off_sentence(cut_off(lengths, at))
    yield proposal_sentence(lengths)
    yield ""
    yield from overlap_lines(data.overlaps, cases)
    yield f"Written to {out}: {TRAIN_FILE}, {HELD_OUT_FILE}, {CASES_FILE} (the held-out rows as cases)."


def main(words: list[str]) -> int:
    given = read_arguments(words)
    try:
        out = given.out.expanduser()
        if RUN_NAME.fullmatch(out.resolve().name) is None:
            raise MedReasonError(
                "The name of the folder of --out must have 1 to 64 letters, digits, dots, dashes or underscores, "
                "not starting with a dot."
            )
        refuse_existing(out)
        preparation = Preparation(
            min_thinking_chars=given.min_thinking,
            drop_duplicates=not given.keep_duplicates,
            max_rows=given.max_rows,
            eval_fraction=given.eval_fraction,
            seed=given.seed,
            skip_faulty_rows=given.skip_faulty,
        )
        cases = load_cases(given.cases)
        folder = data_folder(given)
        tell = teller()
        source = source_of(given.source, given.config, given.revision, given.columns, folder)
        loaded = load(source, folder, tell)
        data = make_prepared(
            out.resolve(),
            source,
            loaded,
            preparation,
            lambda: load_tokenizer(given.tokenizer, given.tokenizer_revision, folder, tell),
            tokenizer_name(given.tokenizer),
            cases,
            tell,
        )
        for line in summary(data, loaded, out, len(cases)):
            print(line)
    except MedReasonError as fault:
        print(fault, file=sys.stderr)
        return 2
    except OSError as fault:
        print(f"{fault.filename or given.out} cannot be used ({fault.strerror or fault}).", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("Stopped. Nothing was written.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
