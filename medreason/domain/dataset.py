"""Training data as values: where rows come from, what is kept of them, and what was found on the way. No I/O."""

from dataclasses import dataclass
from enum import StrEnum

from medreason.domain.checks import Checks
from medreason.domain.setting import check_settings, setting
from medreason.domain.training import RUN_NAME

DEFAULT_DATASET = "FreedomIntelligence/medical-o1-reasoning-SFT"
DEFAULT_CONFIG = "en"
EXPECTED_ROWS = {(DEFAULT_DATASET, DEFAULT_CONFIG): 19_704}
COLUMNS = ("Question", "Complex_CoT", "Response")


class SourceKind(StrEnum):
    CURRICULUM = "curriculum"
    PREPARED = "prepared"
    HUB = "hub"
    FILE = "file"


@dataclass(frozen=True)
class Source:
    """Where rows come from. `place` is a hub id, a file's path, or the name of prepared data; empty for the
    embedded curriculum. `columns` maps each of COLUMNS that is named otherwise to its name there."""

    kind: SourceKind
    place: str = ""
    config: str = ""
    revision: str = ""
    columns: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Preparation:
    """What is kept of the rows that were read, in this order: rows without fault, rows whose thinking is longer
    than `min_thinking_chars`, one of each group of equal or nearly equal questions, `max_rows` of these (0: all),
    of which `eval_fraction` are held out."""

    min_thinking_chars: int = setting(
        200,
        "Shortest thinking in characters",
        "Rows whose thinking is not longer than this are left out. 200 keeps traces that reason.",
        minimum=0,
        maximum=1_000_000,
    )
    max_rows: int = setting(
        0, "Rows to use", "Drawn evenly over the specialties. 0 means all.", minimum=0, maximum=1_000_000
    )
    eval_fraction: float = setting(
        0.05,
        "Held-out share",
        "Share of the rows kept aside to measure the loss on unseen rows.",
        minimum=0,
        maximum=0.5,
    )
    seed: int = setting(42, "Seed", "The same seed keeps the same rows.", minimum=0, maximum=2**31 - 1)
    drop_duplicates: bool = setting(
        True, "Leave duplicates out", "Of rows with equal or nearly equal questions only the first is kept."
    )
    skip_faulty_rows: bool = setting(False, "Leave faulty rows out", "Use the good rows where some have faults.")

    def __post_init__(self) -> None:
        check_settings(self).done()


@dataclass(frozen=True)
class RowFault:
    """What is wrong with one row: its number as an editor shows it, the column (empty for the whole row), and a
    few words such as "is empty"."""

    row: int
    column: str
    words: str

    def __str__(self) -> str:
        column = f", column {self.column}" if self.column else ""
        return f"row {self.row}{column} {self.words}"


@dataclass(frozen=True)
class Column:
    """A column as it was found: its name, the type of its cells in words, and an example."""

    name: str
    kind: str
    example: str


@dataclass(frozen=True)
class RowCounts:
    """How many rows each stage left out, and what remains."""

    read: int
    faulty: int
    short_thinking: int
    equal: int
    nearly_equal: int
    not_drawn: int
    train: int
    held_out: int


@dataclass(frozen=True)
class Quantiles:
    """Lengths in tokens over all rows."""

    median: float
    mean: float
    p95: float
    largest: int


@dataclass(frozen=True)
class Lengths:
    """Tokens of every row by the model's own tokenizer, each tuple in the order of the rows. `whole` is the row as
    the model meets it, template included; `question`, `thinking` and `answer` are the texts alone; `prompt` is
    what comes before the first token that is learned, empty where it was not measured."""

    tokenizer: str
    whole: tuple[int, ...]
    question: tuple[int, ...]
    thinking: tuple[int, ...]
    answer: tuple[int, ...]
    prompt: tuple[int, ...] = ()


@dataclass(frozen=True)
class CutOff:
    """What a longest row of `at` tokens does: share of rows that lose part of their answer or all of it, share
    that lose all of it (they end within their thinking), and share that have nothing left to learn. Each
    includes the next."""

    at: int
    answer_cut: float
    answer_lost: float
    nothing_left: float


@dataclass(frozen=True)
class CaseOverlap:
    """A case of the deck that is equal or near to a training row; `similarity` is 1 where they are equal."""

    case_id: str
    row: int
    similarity: float


@dataclass(frozen=True)
class PreparedData:
    """Prepared data as its folder's manifest tells it. `created_at` is UTC, ISO 8601."""

    name: str
    source: Source
    preparation: Preparation
    counts: RowCounts
    sha256_train: str
    sha256_held_out: str
    source_sha256: str
    tokenizer: str
    proposed_max_length: int
    overlaps: tuple[CaseOverlap, ...]
    created_at: str

    def __post_init__(self) -> None:
        checks = Checks()
        checks.require(
            RUN_NAME.fullmatch(self.name) is not None,
            "Name of the data",
            self.name,
            "use 1 to 64 letters, digits, dots, dashes or underscores, not starting with a dot",
        )
        checks.done()
