"""What the Train tab shows of training data, made from values alone."""

import re
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from medreason.data.rows import Row
from medreason.domain.case import Case
from medreason.domain.dataset import (
    CaseOverlap,
    Column,
    Lengths,
    Preparation,
    PreparedData,
    RowCounts,
    RowFault,
    Source,
    SourceKind,
)
from medreason.ui import data_view, row_view
from medreason.ui.length_chart import cut_sentences, length_charts

ROW = Row("Why <b>cough</b>?\n\nSince May.", "First\n\nthen", "Because & so.", "Respiratory", "made up")
COUNTS = RowCounts(
    read=100, faulty=2, short_thinking=3, equal=4, nearly_equal=5, not_drawn=6, train=76, held_out=4
)
LENGTHS = Lengths(
    "tokenizer", whole=(100, 200, 300, 400), question=(10, 20, 30, 40), thinking=(60, 120, 180, 240),
    answer=(20, 40, 60, 80),
)  # fmt: skip
PREPARED = PreparedData(
    name="nephro",
    source=Source(SourceKind.FILE, "/home/somebody/secret/rows.csv"),
    preparation=Preparation(max_rows=80),
    counts=COUNTS,
    sha256_train="",
    sha256_held_out="",
    source_sha256="",
    tokenizer="embedded",
    proposed_max_length=512,
    overlaps=(),
    created_at="2026-01-02T03:04:05+00:00",
)


def test_rows_left_out_and_rows_kept_add_up_on_the_page() -> None:
    cells = re.findall(r"<td>([^<]*)</td>", data_view.stages(COUNTS))
    assert cells[1::2] == ["100", "98", "95", "91", "86", "80", "76", "4"]
    assert cells[2:12:2] == ["−2", "−3", "−4", "−5", "−6"]


def test_faults_name_row_and_column_and_the_rest_is_counted() -> None:
    faults = [RowFault(number, "Response", "is empty") for number in range(1, 31)]
    shown = data_view.faults_list(faults, 30)
    assert (
        "Row 1, column Response is empty" in shown and "and 10 more" in shown and "30 rows cannot be used" in shown
    )
    assert data_view.faults_list([], 0) == ""


def test_what_was_read_is_counted_with_what_else_is_worth_telling() -> None:
    assert "12 rows read from a.csv, 3 of them faulty. Others &lt;b&gt;." in data_view.found_line(
        "a.csv", 12, 3, ["Others <b>."]
    )
    assert "1 row read from a.csv, none faulty." in data_view.found_line("a.csv", 1, 0)


def test_columns_say_what_they_are_read_as() -> None:
    shown = data_view.columns_table(
        [Column("prompt", "text", "A <man>"), Column("id", "number", "3")], {"prompt": "Question"}
    )
    assert "<td>Question</td>" in shown and "<td>not used</td>" in shown and "A &lt;man&gt;" in shown


def test_overlap_with_the_deck_names_case_and_row() -> None:
    cases = {"c1": Case("c1", "A 61-year-old with a rash on the trunk.")}
    shown = data_view.overlaps_view((CaseOverlap("c1", 17, 0.86),), cases)
    assert "1 of the 1 case" in shown and "c1; row 17, 86% alike" in shown
    assert "equal" in data_view.overlaps_view((CaseOverlap("c1", 17, 1.0),), cases)
    assert "None of the 1 case" in data_view.overlaps_view((), cases)


def test_no_path_of_this_computer_is_shown() -> None:
    head = data_view.prepared_head(PREPARED)
    assert "rows.csv" in head and "secret" not in head and "/home" not in head


def test_a_row_is_one_line_of_html_with_its_empty_lines_kept() -> None:
    for shown in (
        row_view.conversation(ROW),
        row_view.rows_table([ROW], 1),
        row_view.as_trained([("a\n\nb", "read"), ("<c>", "learned")], 9, 4, 0),
    ):
        assert "\n" not in shown and "<b>cough" not in shown and "<c>" not in shown
    assert "&#10;&#10;Since May." in row_view.conversation(ROW)


def test_parts_of_a_row_are_told_apart_by_name() -> None:
    shown = row_view.as_trained([("q", "read"), ("t", "learned"), ("end", "cut")], 20, 9, 3)
    for name in row_view.NAMES.values():
        assert name in shown
    assert "20 tokens, of which 9 are learned from. 3 tokens at its end are cut off." in shown


@given(st.text(max_size=60).filter(str.strip))
def test_any_text_of_a_row_stays_text(words: str) -> None:
    shown = row_view.text(words)
    assert "<" not in shown and "\n" not in shown and '"' not in shown


def test_what_is_cut_is_said_in_words_for_each_length() -> None:
    said = cut_sentences(LENGTHS, (350, 500))
    assert "At 350 tokens" in said and "25" in said and "At 500 tokens" in said


sizes = st.lists(st.integers(0, 40_000), min_size=1, max_size=30)


@given(sizes, st.integers(32, 32_768))
def test_any_lengths_are_drawn_inside_their_frame_with_words(values: list[int], cut_at: int) -> None:
    drawn = length_charts(Lengths("t", *[tuple(values)] * 4), cut_at)
    found = [ElementTree.fromstring(one) for one in re.findall(r"<svg.*?</svg>", drawn)]
    assert len(found) == 4
    for svg in found:
        width, height = (float(one) for one in svg.attrib["viewBox"].split()[2:])
        assert "median" in svg.attrib["aria-label"]
        for bar in svg.iter("rect"):
            x, y, wide, high = (float(bar.attrib[name]) for name in ("x", "y", "width", "height"))
            assert 0 <= x and x + wide <= width and 0 <= y and y + high <= height + 0.1
        for line in svg.iter("line"):
            assert 0 <= float(line.attrib["x1"]) <= width and 0 <= float(line.attrib["x2"]) <= width


def test_no_rows_have_no_chart() -> None:
    assert length_charts(Lengths("t", (), (), (), ()), 512) == ""
