"""Where training data come from: named, read in each format, and refused in words where they cannot be used."""

import csv
import io
import json
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.data.columns import columns_of, propose_columns
from medreason.data.rows import Row
from medreason.data.sources import Loaded, load, read_good, source_of, stamp_of
from medreason.data.table import LONGEST_LINE_BYTES
from medreason.demo import CURRICULUM
from medreason.domain.dataset import COLUMNS, DEFAULT_DATASET, Source, SourceKind
from medreason.errors import MedReasonError
from medreason.folder import DataFolder
from tests.conftest import CHECKOUT

REAL_ROWS = CHECKOUT.parent / "shared" / "data" / "medical_o1_198.jsonl"
GOOD = {"Question": "Why fever?", "Complex_CoT": "Infection first.", "Response": "Infection."}
ROWS = [
    GOOD,
    {"Question": "¿Por qué \u202bحمى\u202c? 😀", "Complex_CoT": 'One\u2028two,\nthree "four"', "Response": "Sí."},
]
EXPECTED = tuple(Row(one["Question"], one["Complex_CoT"], one["Response"]) for one in ROWS)
NAMED = "Question=prompt, Complex_CoT=cot, Response=answer"


def as_jsonl(rows: list[dict[str, object]]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def as_json(rows: list[dict[str, object]]) -> bytes:
    return json.dumps(rows, ensure_ascii=False, indent=2).encode()


def as_csv(rows: list[dict[str, object]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_parquet(rows: list[dict[str, object]]) -> bytes:
    import pyarrow
    from pyarrow import parquet

    names = list(dict.fromkeys(name for row in rows for name in row))
    file = io.BytesIO()
    parquet.write_table(pyarrow.table({name: [row.get(name) for row in rows] for name in names}), file)
    return file.getvalue()


FORMATS = {"jsonl": as_jsonl, "json": as_json, "csv": as_csv, "parquet": as_parquet}


def read(path: Path, folder: DataFolder, columns: str = "") -> Loaded:
    return load(source_of(str(path), columns=columns), folder)


def refusal(path: Path, folder: DataFolder, skip_faulty: bool = False) -> str:
    with pytest.raises(MedReasonError) as refused:
        read_good(read(path, folder), skip_faulty)
    assert "\n" not in str(refused.value) and "Traceback" not in str(refused.value)
    return str(refused.value)


def written(folder: Path, name: str, content: bytes) -> Path:
    (folder / name).write_bytes(content)
    return folder / name


@pytest.mark.parametrize("suffix", FORMATS)
def test_every_format_gives_the_same_rows(suffix: str, tmp_path: Path, folder: DataFolder) -> None:
    loaded = read(written(tmp_path, f"rows.{suffix}", FORMATS[suffix](ROWS)), folder)
    assert loaded.rows == EXPECTED and loaded.faults == ()
    assert (loaded.name, loaded.rows_read, loaded.revision) == (f"rows.{suffix}", 2, "")
    assert len(loaded.sha256) == 64
    assert [(one.name, one.kind) for one in loaded.columns] == [(name, "text") for name in COLUMNS]


@pytest.mark.parametrize("suffix", FORMATS)
def test_columns_named_otherwise_are_mapped_in_every_format(
    suffix: str, tmp_path: Path, folder: DataFolder
) -> None:
    rows = [{"prompt": one["Question"], "cot": one["Complex_CoT"], "answer": one["Response"]} for one in ROWS]
    path = written(tmp_path, f"rows.{suffix}", FORMATS[suffix](rows))
    assert read(path, folder, NAMED).rows == EXPECTED
    unmapped = read(path, folder)
    assert unmapped.rows == () and [fault.column for fault in unmapped.faults] == list(COLUMNS)
    assert propose_columns([column.name for column in unmapped.columns]) == NAMED
    assert "column Question is in no row (the columns are: prompt, cot, answer)" in refusal(path, folder)
    assert "is in no row" in refusal(path, folder, skip_faulty=True)


@pytest.mark.parametrize("suffix", FORMATS)
def test_faulty_rows_are_named_and_left_out_only_when_told(
    suffix: str, tmp_path: Path, folder: DataFolder
) -> None:
    rows = [GOOD, {**GOOD, "Response": ""}, {**GOOD, "Complex_CoT": "x" * 5_000_000}, GOOD]
    path = written(tmp_path, f"rows.{suffix}", FORMATS[suffix](rows))
    second, third = (3, 4) if suffix == "csv" else (2, 3)
    said = refusal(path, folder)
    assert f"row {second}, column Response is empty" in said
    assert f"row {third}, column Complex_CoT has 5,000,000 characters, more than 100,000" in said
    assert "Or leave faulty rows out." in said and len(said) < 600
    loaded = read(path, folder)
    assert read_good(loaded, skip_faulty=True) == loaded.rows == (EXPECTED[0],) * 2
    assert (loaded.rows_read, loaded.faulty) == (4, 2)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_file_without_rows_is_refused(suffix: str, tmp_path: Path, folder: DataFolder) -> None:
    empty = as_parquet([]) if suffix == "parquet" else {"json": b"[]", "csv": b"Question,Complex_CoT,Response\n"}
    content = empty if isinstance(empty, bytes) else empty.get(suffix, b"")
    assert "holds no rows" in refusal(written(tmp_path, f"rows.{suffix}", content), folder)
    if suffix != "parquet":
        assert "holds no rows" in refusal(written(tmp_path, f"none.{suffix}", b""), folder)


@pytest.mark.parametrize("suffix", ["jsonl", "json", "csv"])
def test_a_byte_order_mark_does_no_harm(suffix: str, tmp_path: Path, folder: DataFolder) -> None:
    path = written(tmp_path, f"rows.{suffix}", b"\xef\xbb\xbf" + FORMATS[suffix](ROWS))
    assert read(path, folder).rows == EXPECTED


def test_mixed_types_are_named_where_the_format_can_hold_them(tmp_path: Path, folder: DataFolder) -> None:
    rows = [GOOD, {**GOOD, "Response": 7}, {**GOOD, "Response": ["a"]}, "text", {**GOOD, "Response": None}]
    expected = ["a number, not text", "a list, not text", "not a JSON object", "empty"]
    for name, content in (("a.jsonl", as_jsonl(rows)), ("a.json", as_json(rows))):
        faults = read(written(tmp_path, name, content), folder).faults
        assert [fault.row for fault in faults] == [2, 3, 4, 5]
        assert all(words in str(fault) for fault, words in zip(faults, expected, strict=True))


def test_a_row_in_another_encoding_is_a_fault_of_its_line_and_other_files_are_refused_by_line(
    tmp_path: Path, folder: DataFolder
) -> None:
    latin = as_jsonl([GOOD, {**GOOD, "Response": "Fièvre"}, GOOD]).decode().encode("latin-1")
    assert "row 2 is not UTF-8 text" in refusal(written(tmp_path, "a.jsonl", latin), folder)
    assert len(read(tmp_path / "a.jsonl", folder).rows) == 2
    latin = as_csv([GOOD, {**GOOD, "Response": "Fièvre"}]).decode().encode("latin-1")
    assert "is not UTF-8 text (line 3)" in refusal(written(tmp_path, "a.csv", latin), folder)
    assert "is not UTF-8 text" in refusal(
        written(tmp_path, "b.jsonl", as_jsonl([GOOD]).decode().encode("utf-16")), folder
    )


def test_a_parquet_cell_that_is_no_text_is_named(tmp_path: Path, folder: DataFolder) -> None:
    import pyarrow
    from pyarrow import parquet

    bad = pyarrow.array([b"fine", b"caf\xe9"], pyarrow.binary()).view(pyarrow.string())
    table = pyarrow.table({"Question": ["a", "b"], "Complex_CoT": ["c", "d"], "Response": bad})
    parquet.write_table(table, tmp_path / "rows.parquet")
    loaded = read(tmp_path / "rows.parquet", folder)
    assert loaded.rows == (Row("a", "c", "fine"),)
    assert [str(fault) for fault in loaded.faults] == ["row 2, column Response is not UTF-8 text"]


def test_an_id_that_comes_twice_is_refused_by_row_and_column(tmp_path: Path, folder: DataFolder) -> None:
    rows = [{"id": 1, **GOOD}, {"id": 2, **GOOD}, {"id": 1, **GOOD}]
    assert "row 3, column id repeats 1 of row 1" in refusal(written(tmp_path, "a.jsonl", as_jsonl(rows)), folder)


def test_one_row_is_read(tmp_path: Path, folder: DataFolder) -> None:
    assert len(read(written(tmp_path, "a.jsonl", as_jsonl([GOOD])), folder).rows) == 1


def test_jsonl_under_the_name_of_json_is_read(tmp_path: Path, folder: DataFolder) -> None:
    assert read(written(tmp_path, "a.json", as_jsonl(ROWS)), folder).rows == EXPECTED


def test_a_line_without_end_is_a_fault_and_is_not_kept_in_memory(
    tmp_path: Path, folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("medreason.data.table.LONGEST_LINE_BYTES", 1000)
    content = as_jsonl([GOOD, {**GOOD, "Response": "x" * 5000}, GOOD])
    loaded = read(written(tmp_path, "a.jsonl", content), folder)
    assert len(loaded.rows) == 2 and [fault.row for fault in loaded.faults] == [2]
    assert "is longer than" in str(loaded.faults[0]) and LONGEST_LINE_BYTES > 5 * 1024**2


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.json", b'[{"Question": ', "not valid JSON (line 1)"),
        ("a.json", b"[" * 100_000, "not valid JSON"),
        ("a.json", b'"text"', "row 1 is not a JSON object"),
        ("a.csv", b'Question,Complex_CoT,Response\n"never closed', "row 2 is not a CSV row"),
        ("a.csv", b"Question,Question\na,b\n", "row 1 names a column twice"),
        ("a.csv", b"Question,Complex_CoT,Response\na,b,c,d\n", "row 2 has 4 cells for 3 columns"),
        ("a.parquet", b"PAR1 and nothing else", "not a Parquet file that can be read"),
        ("a.parquet", b"", "not a Parquet file that can be read"),
    ],
)
def test_broken_files_are_refused_in_words(
    name: str, content: bytes, sentence: str, tmp_path: Path, folder: DataFolder
) -> None:
    assert sentence in refusal(written(tmp_path, name, content), folder)


def test_half_a_parquet_file_is_refused_in_words(tmp_path: Path, folder: DataFolder) -> None:
    whole = as_parquet([{**GOOD, "Response": str(number)} for number in range(5000)])
    assert "Parquet" in refusal(written(tmp_path, "a.parquet", whole[: len(whole) // 2]), folder)
    assert "Parquet" in refusal(written(tmp_path, "b.parquet", whole[:100] + b"\0" * 200 + whole[300:]), folder)


def test_programs_and_archives_are_never_opened(tmp_path: Path, folder: DataFolder) -> None:
    canary = tmp_path / "canary"
    script = written(tmp_path, "rows.py", f"open({str(canary)!r}, 'w')".encode())
    with pytest.raises(MedReasonError, match="Programs that load data are never run"):
        source_of(str(script))
    with zipfile.ZipFile(tmp_path / "rows.zip", "w") as archive:
        archive.writestr("../../outside.jsonl", "x")
    with pytest.raises(MedReasonError, match="is no data file. Unpack it first"):
        source_of(str(tmp_path / "rows.zip"))
    assert not canary.exists() and not (tmp_path.parent / "outside.jsonl").exists()


@pytest.mark.parametrize(
    "place",
    ["http://example.org/rows.jsonl", "https://x/y", "file:///etc/passwd", "s3://bucket/rows.jsonl", "hf://a/b"],
)
def test_nothing_is_fetched_from_an_address(place: str) -> None:
    with pytest.raises(MedReasonError, match="is an address, and nothing is fetched"):
        source_of(place)


@pytest.mark.parametrize("place", ["", "  ", "a\x00b", "a\nb", "x" * 5000])
def test_a_place_that_is_no_name_is_refused(place: str) -> None:
    with pytest.raises(MedReasonError, match="No training data was named"):
        source_of(place)


@pytest.mark.parametrize(
    "place",
    [
        "../../etc/passwd",
        "..",
        "owner/../name",
        "/etc/passwd",
        "/dev/zero",
        "owner/name/part",
        "no such file.jsonl",
        "missing.jsonl",
        "data/missing.parquet",
        "no-such-prepared-data",
        "a" * 300,
    ],
)
def test_what_is_neither_file_nor_prepared_nor_hub_id_is_refused(place: str, folder: DataFolder) -> None:
    with pytest.raises(MedReasonError) as refused:
        load(source_of(place, folder=folder), folder)
    assert len(str(refused.value)) < 450


def test_a_path_through_the_parent_folder_finds_a_file_and_nothing_else(
    tmp_path: Path, folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "inner").mkdir()
    written(tmp_path, "rows.jsonl", as_jsonl(ROWS))
    written(tmp_path, "secret", b"password")
    monkeypatch.chdir(tmp_path / "inner")
    assert load(source_of("../rows.jsonl", folder=folder), folder).rows == EXPECTED
    with pytest.raises(MedReasonError, match="is no data file"):
        source_of("../secret", folder=folder)
    with pytest.raises(MedReasonError, match="is a folder and holds no prepared data"):
        source_of("..", folder=folder)


def test_a_link_out_of_its_folder_is_refused(tmp_path: Path, folder: DataFolder) -> None:
    (tmp_path / "elsewhere").mkdir()
    real = written(tmp_path / "elsewhere", "real.jsonl", as_jsonl(ROWS))
    for name, target in (("out.jsonl", real), ("zero.jsonl", Path("/dev/zero")), ("loop.jsonl", "loop.jsonl")):
        (tmp_path / name).symlink_to(target)
        with pytest.raises(MedReasonError, match="leads out of its folder|There is no training data"):
            read(tmp_path / name, folder)


def test_a_file_that_vanished_or_may_not_be_read_is_refused(tmp_path: Path, folder: DataFolder) -> None:
    path = written(tmp_path, "a.jsonl", as_jsonl(ROWS))
    source = source_of(str(path))
    path.unlink()
    with pytest.raises(MedReasonError, match="does not exist"):
        load(source, folder)
    assert stamp_of(source, folder) == (source, None)


def test_the_words_of_a_configuration_are_understood(tmp_path: Path, folder: DataFolder) -> None:
    assert source_of("curriculum") == Source(SourceKind.CURRICULUM)
    assert source_of(f" {DEFAULT_DATASET} ", " en ", "abc") == Source(SourceKind.HUB, DEFAULT_DATASET, "en", "abc")
    assert source_of("my-rows") == Source(SourceKind.PREPARED, "my-rows")
    path = written(tmp_path, "a.jsonl", as_jsonl(ROWS))
    assert source_of(str(path), columns="response=out") == Source(
        SourceKind.FILE, str(path), columns=(("Response", "out"),)
    )


def test_the_curriculum_is_read(folder: DataFolder) -> None:
    loaded = load(source_of("curriculum"), folder)
    assert (loaded.name, loaded.faults) == ("curriculum", ()) and loaded.rows_read == len(loaded.rows) >= 160


def test_progress_is_told_from_nothing_to_all(tmp_path: Path, folder: DataFolder) -> None:
    path = written(tmp_path, "a.jsonl", as_jsonl([GOOD] * 3500))
    heard: list[tuple[float | None, str]] = []
    load(source_of(str(path)), folder, lambda share, words: heard.append((share, words)))
    shares = [share for share, _ in heard if share is not None]
    assert len(shares) >= 4 and shares == sorted(shares) and 0 <= shares[0] and shares[-1] <= 1
    assert all("a.jsonl" in words and str(tmp_path) not in words for _, words in heard)


def test_the_stamp_changes_with_the_file_and_not_by_itself(tmp_path: Path, folder: DataFolder) -> None:
    path = written(tmp_path, "a.jsonl", as_jsonl(ROWS))
    source = source_of(str(path))
    before = stamp_of(source, folder)
    assert stamp_of(source, folder) == before
    path.write_bytes(as_jsonl([GOOD] * 3))
    assert stamp_of(source, folder) != before


@pytest.mark.parametrize(
    "text",
    ["Question", "Question=", "Ask=me", "Question=a, Question=b", "=a", "=,=", "Question=a Response=b, Response"],
)
def test_columns_written_wrongly_are_refused(text: str) -> None:
    with pytest.raises(MedReasonError, match="Write them as Question=…, Complex_CoT=…, Response=…"):
        columns_of(text)


def test_columns_are_read_whatever_their_order_and_letters() -> None:
    assert columns_of(NAMED) == (("Question", "prompt"), ("Complex_CoT", "cot"), ("Response", "answer"))
    assert columns_of(" response = a b , QUESTION=Question,") == (("Response", "a b"),)
    assert columns_of("") == ()


@pytest.mark.parametrize(
    ("names", "proposed"),
    [
        (["Question", "Complex_CoT", "Response", "extra"], ""),
        (["question", "complex_cot", "response"], "Question=question, Complex_CoT=complex_cot, Response=response"),
        (["Question", "Reasoning", "Final Answer"], "Complex_CoT=Reasoning, Response=Final Answer"),
        (["instruction", "output", "thinking"], "Question=instruction, Complex_CoT=thinking, Response=output"),
        (
            ["questions", "Chain of thought", "answers"],
            "Question=questions, Complex_CoT=Chain of thought, Response=answers",
        ),
        (["a", "b", "c"], ""),
        ([], ""),
    ],
)
def test_likely_columns_are_proposed(names: list[str], proposed: str) -> None:
    assert propose_columns(names) == proposed


@given(st.lists(st.text(min_size=1, max_size=12), unique=True, max_size=8))
def test_what_is_proposed_can_be_read_and_names_each_column_once(names: list[str]) -> None:
    mapping = columns_of(propose_columns(names))
    assert len({name for _, name in mapping}) == len(mapping)
    assert all(name in names for _, name in mapping)


@pytest.mark.skipif(not REAL_ROWS.is_file(), reason="the folder with the real rows is not beside the checkout")
def test_real_rows_are_all_good(folder: DataFolder) -> None:
    loaded = read(REAL_ROWS, folder)
    assert (len(loaded.rows), loaded.faults) == (198, ())


def test_importing_sources_loads_no_table_software() -> None:
    import subprocess
    import sys

    code = (
        "import sys, medreason.services.datasets, medreason.data.training_rows;"
        "large = ('torch', 'transformers', 'datasets', 'pyarrow', 'pandas', 'numpy');"
        "print([name for name in large if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=CHECKOUT)
    assert ran.stdout.strip() == "[]", ran.stderr


def test_the_curriculum_file_is_one_of_the_formats() -> None:
    assert source_of(str(CURRICULUM)).kind is SourceKind.FILE
