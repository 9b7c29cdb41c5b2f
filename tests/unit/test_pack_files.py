"""Files of a pack read back: nothing is lost, and what is wrong is told by row and column."""

import json
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medreason.cli import main
from medreason.data.cells import cell, guard, unguard, value_of
from medreason.data.pack_files import read_generations, read_pairs, read_ratings, read_spans
from medreason.domain import pack, pack_columns
from medreason.domain.pack_columns import Column
from medreason.errors import MedReasonError
from medreason.services.tabulating import tabulate
from medreason.stats.bootstrap import Resampling
from medreason.stats.columns import COLUMNS, table

HEAD = "rater_id,case_id,arm,item,value"
GOOD = ("R1,a,baseline,D,3", "R1,a,finetuned,D,4")
QUICK = Resampling(n_boot=99)


def file_of(tmp_path: Path, *lines: str, head: str = HEAD, name: str = "ratings_long.csv") -> Path:
    path = tmp_path / name
    path.write_text("\r\n".join((head, *lines)) + "\r\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        (pack.RatingRow, pack_columns.RATINGS),
        (pack.PairRow, pack_columns.PAIRS),
        (pack.SpanRow, pack_columns.SPANS),
        (pack.GenerationRow, pack_columns.GENERATIONS),
        (pack.CaseRow, pack_columns.CASES),
        (pack.EventRow, pack_columns.EVENTS),
    ],
)
def test_every_field_of_a_row_is_a_column_in_its_place(row, columns):
    assert [field.name for field in fields(row)] == [column.name for column in columns]


@pytest.mark.parametrize(
    ("head", "lines", "told"),
    [
        ("rater_id,case_id,arm,item", ("R1,a,baseline,D",), "lacks the column value"),
        ("rater_id;case_id;arm;item;value", ("R1;a;baseline;D;3",), "not separated by commas"),
        (HEAD, ("R1,a,baseline,D,6",), "row 2, column value is 6"),
        (HEAD, ("R1,a,baseline,D,3", "R1,a,baseline,F,0"), "row 3, column value is 0"),
        (HEAD, ("R1,a,baseline,D,3.5",), "row 2, column value is '3.5'"),
        (HEAD, ("R1,a,base,D,3",), "row 2, column arm is 'base'"),
        (HEAD, ("R1,a,X,D,3",), "is blinded"),
        (HEAD, ("R1,a,baseline,Q,3",), "row 2, column item is 'Q'"),
        (HEAD, (",a,baseline,D,3",), "row 2, column rater_id is empty"),
        (HEAD, (*GOOD, GOOD[0]), "repeat row 2"),
        (HEAD, ("R1,a,baseline,D,3,4,5",), "row 2 has 7 cells"),
        (HEAD, (), "holds no rows"),
        (f"{HEAD},scale_max", ("R1,a,baseline,D,7,10",), "row 2, column scale_max makes a scale of 1 to 10"),
        (f"{HEAD},not_judgeable", ("R1,a,baseline,D,,false",), "row 2, column value is empty"),
        (f"{HEAD},revision_no", ("R1,a,baseline,D,3,one",), "row 2, column revision_no is 'one'"),
        (f"{HEAD},blinded", ("R1,a,baseline,D,3,maybe",), "row 2, column blinded is 'maybe'"),
    ],
)
def test_a_bad_file_is_refused_in_one_sentence_with_row_and_column(tmp_path, capsys, head, lines, told):
    path = file_of(tmp_path, *lines, head=head)
    assert main(["table", str(path), "--json", str(tmp_path / "out.json")]) == 2
    printed = capsys.readouterr()
    assert told in printed.err and len(printed.err.strip().splitlines()) == 1 and printed.out == ""
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "holds no rows"),
        ((HEAD + "\nR1,\xe4,baseline,D,3\n").encode("latin-1"), "not UTF-8 text (line 2)"),
        ((HEAD + "\nR1,a,baseline,D,3\n").encode("utf-16"), "not UTF-8 text"),
    ],
)
def test_an_empty_file_and_a_wrong_encoding_are_refused(tmp_path, capsys, content, told):
    path = tmp_path / "r.csv"
    path.write_bytes(content)
    assert main(["table", str(path)]) == 2
    assert told in capsys.readouterr().err
    assert main(["table", str(tmp_path / "none.csv")]) == 2
    assert "does not exist" in capsys.readouterr().err


def test_a_byte_order_mark_and_numbers_of_other_programs_are_read(tmp_path):
    path = tmp_path / "r.csv"
    text = f"{HEAD},confidence,mode\nR1,a,baseline,D,4.0,NA,exploratory\nR1,a,finetuned,D,,5,exploratory\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    first, second = read_ratings(path)
    assert (first.rater_id, first.value, first.confidence, first.mode) == ("R1", 4, None, "exploratory")
    assert (second.value, second.not_judgeable, second.confidence) == (None, True, 5)
    assert (first.scale_min, first.scale_max, first.phase, first.revision_no) == (1, 5, "with_trace", 1)


def test_files_made_elsewhere_need_neither_presentations_nor_sides(tmp_path):
    lines = [
        f"R{r},c{c},{arm},D,{v}"
        for c in range(3)
        for r in (1, 2)
        for arm, v in (("baseline", 2), ("finetuned", 4))
    ]
    made = tabulate(file_of(tmp_path, *lines), resampling=QUICK).evaluation.row("D")
    assert (made.n_cases, made.n_raters, made.difference.value, made.wins) == (3, 2, 2.0, 3)


def test_the_same_score_twice_is_one_key_by_showing_and_side(tmp_path):
    head = f"{HEAD},presentation_id,side"
    one, other = "R1,a,baseline,D,3,p1,left", "R1,a,baseline,D,4,p1,right"  # a pair of one arm
    assert len(read_ratings(file_of(tmp_path, one, other, head=head))) == 2
    with pytest.raises(MedReasonError, match="row 3, columns .*side or arm.* repeat row 2"):
        read_ratings(file_of(tmp_path, one, one, head=head))


def test_the_table_is_printed_and_written_with_the_agreed_keys(tmp_path, capsys):
    pairs = file_of(tmp_path, "R1,a,2,baseline", head="rater_id,case_id,pref_ft,left_arm", name="pairs.csv")
    out = tmp_path / "table.json"
    assert main(["table", str(file_of(tmp_path, *GOOD)), "--pairs", str(pairs), "--json", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "Reasoning depth" in printed and "On 1 case rated by 1 person" in printed
    content = json.loads(out.read_text(encoding="utf-8"))
    assert set(content) == {"rows", "warnings"} and any("Fewer than 6 cases" in one for one in content["warnings"])
    assert all(list(row) == list(COLUMNS) for row in content["rows"])
    assert {"D", "F", "H", "coherence", "preference", "answer_right", "any_hallucination"} <= {
        row["outcome"] for row in content["rows"]
    }
    assert {"major_hallucination", "harm", "omission"} <= {row["outcome"] for row in content["rows"]}
    assert content["rows"] == table(tabulate(tmp_path / "ratings_long.csv", pairs).evaluation)


def test_a_place_that_cannot_be_written_is_told(tmp_path, capsys):
    path = file_of(tmp_path, *GOOD)
    assert main(["table", str(path), "--json", str(tmp_path / "no" / "out.json")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("reader", "head", "line", "told"),
    [
        (read_pairs, "rater_id,case_id,pref_ft,left_arm", "R1,a,4,baseline", "row 2, column pref_ft is 4"),
        (
            read_pairs,
            "rater_id,case_id,pref_ft,left_arm,raw_left_right",
            "R1,a,2,finetuned,2",
            "row 2, column pref_ft is 2: raw_left_right 2 with finetuned on the left makes -2",
        ),
        (read_spans, "rater_id,case_id,arm,type,severity", "R1,a,baseline,x,5", "row 2, column severity is 5"),
        (
            read_spans,
            "rater_id,case_id,arm,type,severity,start,end",
            "R1,a,baseline,x,3,9,4",
            "row 2, column end is 4",
        ),
    ],
)
def test_pairs_and_spans_are_checked_alike(tmp_path, reader, head, line, told):
    with pytest.raises(MedReasonError, match=told):
        reader(file_of(tmp_path, line, head=head))


def test_generations_are_checked_by_line(tmp_path):
    path = tmp_path / "generations.jsonl"
    path.write_text('{"generation_id": "g1", "answer_tokens": 5}\n{"generation_id": "g2", "answer_tokens": "5"}\n')
    with pytest.raises(MedReasonError, match="row 2, column answer_tokens is '5': give a whole number"):
        read_generations(path)


pieces = st.one_of(
    st.sampled_from([*"=+-@\t\r\n'\",", "👩‍⚕️", "\u202e", "=cmd|' /C calc'!A0", "مرحبا", "e\u0301", "NA", "001"]),
    st.characters(exclude_characters="\x00", exclude_categories=("Cs",)),
)
texts = st.lists(pieces, max_size=8).map("".join)


@given(texts)
def test_any_text_is_the_same_after_a_cell(text):
    shown = cell(text)
    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert value_of(Column("comment", "text", ""), shown) == (text or None)


def test_an_apostrophe_that_guards_nothing_stays():
    assert unguard("'tis") == "'tis" and unguard(guard("'tis")) == "'tis" and unguard("'") == "'"


def test_cells_are_written_as_csv_needs_them():
    assert [cell(one) for one in (None, True, False, -1, 0.1, "-1")] == ["", "true", "false", "-1", "0.1", "'-1"]
