"""The pack: gives every number and every text back, tells no arm before unblinding, and is the same each time."""

import csv
import hashlib
import io
import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from medreason.cli import main
from medreason.data.cells import unguard
from medreason.data.pack_files import read_generations, read_pairs, read_ratings, read_spans
from medreason.domain.pack import PackData, StudyFacts
from medreason.services.assessing import Assessment, assess
from medreason.services.pack.checklist import checklist
from medreason.services.pack.evaluation_files import escaped, latex, xlsx
from medreason.services.pack.tables import parquet_bytes, tables
from medreason.services.pack.texts import without_texts
from medreason.services.pack.writing import pack, pack_files
from medreason.services.table_cells import HEAD
from medreason.stats.bootstrap import Resampling
from medreason.stats.columns import COLUMNS, table
from tests.packs import study_pack, without_arms

QUICK = Resampling(n_boot=199)
MODEL_WORDS = ("baseline", "finetuned", "canary", "some/base", "bfloat16", "adapter_active")


@pytest.fixture(scope="module")
def made() -> Assessment:
    return assess(study_pack(12, 2, comments=("=cmd", "fine")))


@pytest.fixture(scope="module")
def files(made) -> dict[str, bytes]:
    return pack_files(made)


@pytest.fixture(scope="module")
def packed(made) -> bytes:
    return pack(made)


def unpacked(content: bytes, folder: Path) -> Path:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        packed.extractall(folder)
    return folder


def test_the_pack_holds_every_file_and_its_sums_are_right(packed, tmp_path):
    folder = unpacked(packed, tmp_path)
    wanted = """study.json cases.csv generations.jsonl ratings_long.csv pairs.csv spans.csv events.jsonl
        agreement.csv secondary_model.csv planted.csv further.csv adjudications.csv
        codebook.md datapackage.json methods.md checklist.md SHA256SUMS evaluation_table.csv
        evaluation_table.json
        evaluation_table.md evaluation_table.xlsx evaluation_table.tex figures/forest_D_dark.png
        figures/agreement_light.svg parquet/ratings_long.parquet""".split()
    assert [name for name in wanted if not (folder / name).is_file()] == []
    listed = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text().splitlines())
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {"SHA256SUMS"}
    assert set(listed) == there
    assert all(hashlib.sha256((folder / name).read_bytes()).hexdigest() == sum_ for name, sum_ in listed.items())
    assert not any(b"/tmp" in path.read_bytes() for path in folder.rglob("*.md"))


def test_equal_data_give_equal_bytes():
    assert pack(assess(study_pack(2, 1), QUICK)) == pack(assess(study_pack(2, 1), QUICK))


def test_table_gives_the_numbers_of_the_pack_to_the_last_digit(made, packed, tmp_path, capsys):
    folder, out = unpacked(packed, tmp_path / "pack"), tmp_path / "again.json"
    options = ["--pairs", "pairs.csv", "--spans", "spans.csv", "--generations", "generations.jsonl"]
    given_files = [one if one.startswith("--") else str(folder / one) for one in options]
    assert main(["table", str(folder / "ratings_long.csv"), *given_files, "--json", str(out)]) == 0
    again, kept = (json.loads(path.read_text()) for path in (out, folder / "evaluation_table.json"))
    assert again == kept
    assert kept["rows"] == json.loads(json.dumps(table(made.evaluation)))
    with (folder / "evaluation_table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["outcome"] for row in rows] == [row["outcome"] for row in kept["rows"]]
    for row, other in zip(rows, kept["rows"], strict=True):
        for name in (
            "baseline_mean",
            "diff_ci_low",
            "p_raw",
            "ps_ci_high",
            "alpha_ordinal",
            "length_adjusted_logodds",
        ):
            assert (float(row[name]) if row[name] else None) == other[name]
    assert made.readable.sentence in capsys.readouterr().out


def test_rows_come_back_as_they_were(made, files, tmp_path):
    data = made.data
    for name, read, rows in (
        ("ratings_long.csv", read_ratings, data.ratings),
        ("pairs.csv", read_pairs, data.pairs),
        ("spans.csv", read_spans, data.spans),
        ("generations.jsonl", read_generations, data.generations),
    ):
        (tmp_path / name).write_bytes(files[name])
        assert read(tmp_path / name) == rows


pieces = st.one_of(
    st.sampled_from(
        [*"=+-@\t\r\n'\",", "👩‍⚕️", "\u202e", "=cmd|' /C calc'!A0", "مرحبا", "e\u0301", "NA", "001", "1e5"]
    ),
    st.characters(exclude_characters="\x00", exclude_categories=("Cs",)),
)
comments = st.lists(pieces, max_size=8).map("".join)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(comments, min_size=100, max_size=100))
def test_a_thousand_comments_come_back_equal_from_csv_jsonl_and_parquet(tmp_path, texts):
    data = study_pack(50, 2, full=False, comments=tuple(texts))
    assert [row.comment for row in data.pairs] == texts
    pairs = next(one for one in tables(data) if one.name == "pairs")
    (tmp_path / "pairs.csv").write_bytes(pairs.content())
    assert read_pairs(tmp_path / "pairs.csv") == data.pairs
    plain = list(csv.DictReader(io.StringIO(pairs.content().decode("utf-8"), newline="")))
    assert [unguard(row["comment"]) for row in plain] == texts
    lines = type(pairs)(pairs.name, pairs.columns, pairs.rows, lines=True).content().decode("utf-8").split("\n")
    assert [json.loads(line)["comment"] or "" for line in lines if line] == texts
    columns = parquet.read_table(io.BytesIO(parquet_bytes(pairs)))
    assert [text or "" for text in columns["comment"].to_pylist()] == texts
    assert columns["pref_ft"].to_pylist() == [row.pref_ft for row in data.pairs]


def test_a_blinded_pack_tells_no_arm_and_no_model():
    made = assess(without_arms(study_pack(8, 2)), QUICK)
    files = pack_files(made, texts=False)
    assert not any("evaluation_table" in name or "forest" in name for name in files)
    for name, content in files.items():
        if name.endswith((".csv", ".jsonl", "study.json")):
            text = content.decode("utf-8")
            found = [word for word in MODEL_WORDS if word in text]
            assert found == [] or (name == "generations.jsonl" and found == ["adapter_active"]), name
    ratings = list(csv.DictReader(io.StringIO(files["ratings_long.csv"].decode())))
    assert {row["arm"] for row in ratings} == {"X", "Y"}
    assert json.loads(files["study.json"])["arms"] == ["X", "Y"]
    assert "no comparison of the arms was computed" in files["methods.md"].decode()


def test_a_pack_that_would_name_an_arm_before_unblinding_is_not_made():
    with pytest.raises(ValueError, match="would name an arm"):
        pack_files(assess(study_pack(2, unblinded=False), QUICK))


def test_a_blinded_file_is_refused_by_table_in_words(tmp_path, capsys):
    folder = unpacked(pack(assess(without_arms(study_pack(2)), QUICK)), tmp_path)
    assert main(["table", str(folder / "ratings_long.csv")]) == 2
    assert "is blinded: its arms are called X and Y" in capsys.readouterr().err


def test_without_texts_nothing_that_was_written_is_left(made):
    bare: PackData = without_texts(made.data)
    files = pack_files(assess(bare, QUICK), texts=False)
    for name in ("cases.csv", "generations.jsonl", "pairs.csv", "spans.csv", "parquet/generations.parquet"):
        assert b"Let me think" not in files[name] and b"what now" not in files[name] and b"=cmd" not in files[name]
    assert made.data.generations[0].sha256.encode() in files["generations.jsonl"]
    assert b"Let me think" in pack_files(made)["generations.jsonl"]


def test_the_data_package_describes_the_files(files):
    described = json.loads(files["datapackage.json"])
    paths = {resource["path"]: resource for resource in described["resources"]}
    assert set(paths) == {
        *("cases.csv", "generations.jsonl", "ratings_long.csv", "pairs.csv", "spans.csv", "events.jsonl"),
        *("agreement.csv", "secondary_model.csv", "planted.csv", "further.csv", "adjudications.csv"),
    }
    ratings = paths["ratings_long.csv"]
    assert ratings["hash"] == f"sha256:{hashlib.sha256(files['ratings_long.csv']).hexdigest()}"
    header = files["ratings_long.csv"].decode().split("\r\n")[0].split(",")
    assert [field["name"] for field in ratings["schema"]["fields"]] == header
    assert all(name in files["codebook.md"].decode() for name in header)
    assert (
        json.loads(files["study.json"])["rows"]["ratings_long.csv"]
        == len(files["ratings_long.csv"].split(b"\r\n")) - 2
    )


def test_the_methods_say_what_was_computed(made, files):
    text = files["methods.md"].decode()
    assert "12 cases rated by 2 raters" in text and "9,999 resamples, seed 1905" in text
    assert "93 to 97 %" in text and "widened" in text and "sign-flip (exact)" in text
    assert "effective sample size" in text and "declared beforehand" not in text
    declared = pack_files(assess(study_pack(12, 2, primary="overall"), QUICK))["methods.md"].decode()
    assert "The outcome declared beforehand: overall preference." in declared
    alone = pack_files(assess(study_pack(12, 1), QUICK))["methods.md"].decode()
    assert "one plain yes or no" in alone and "effective sample size" not in alone
    few = pack_files(assess(study_pack(3), QUICK))["methods.md"].decode()
    assert "no test was made" in few and "no interval is given" in few and "BCa" not in few and "93 to" not in few


def test_the_checklist_is_filled_in_from_the_study(files):
    text = files["checklist.md"].decode()
    assert "Baseline: some/base at r1. Fine-tuned: the same with adapter canary-adapter" in text
    assert "2 raters; three scales" in text and "*to be written by the authors*" in text
    assert "12c Ethics" in text
    rows = dict(line.strip("| ").split(" | ")[:2] for line in text.splitlines() if line.startswith("| "))
    assert rows["8b Number of annotators, agreement"] == "2 raters; 12 of 12 cases rated by more than one"
    assert rows["6d Initial and processed output"] == "1 of 24 answers ended at the token budget"
    assert rows["12 Compute"].startswith("mean time of an answer: baseline 2.0 s, fine-tuned 2.0 s")
    assert rows["6c How text was generated"].endswith("answers generated 2026-11-20 to 2026-11-20")
    assert rows["14d Registration"] == rows["13 Ethical approval, consent"] == "*to be written by the authors*"


def test_a_blinded_checklist_says_nothing_of_the_models_and_an_empty_one_is_for_its_authors():
    blind = checklist(without_arms(study_pack(2)), blind=True)
    assert "some/base" not in blind and "canary" not in blind and "token budget" not in blind
    empty = checklist(
        PackData(study=StudyFacts(study_id="a", title="A | b", statements={"consent": "Given."})), False
    )
    assert "# Reporting checklist: A \\| b" in empty and "| 13 Ethical approval, consent | Given. |" in empty


def test_the_secondary_model_stands_apart_with_its_reasons(made, files):
    rows = list(csv.DictReader(io.StringIO(files["secondary_model.csv"].decode())))
    assert [(row["outcome"], row["term"]) for row in rows[:2]] == [("D", "fine-tuned arm"), ("D", "left side")]
    assert all(row["left_out"] == "thinking shown;later in the queue" for row in rows)
    arm = next(model for model in made.models if model.axis == "D").terms["fine-tuned arm"]
    assert float(rows[0]["log_odds"]) == arm.value and float(rows[0]["odds_ratio"]) == pytest.approx(
        np.exp(arm.value)
    )
    assert "secondary check" in files["methods.md"].decode()
    few = pack_files(assess(study_pack(3), QUICK))
    assert b"secondary check" not in few["methods.md"] and b"fewer than 10 cases" in few["secondary_model.csv"]
    assert not any("secondary" in name for name in pack_files(assess(without_arms(study_pack(12)), QUICK)))


def test_what_only_describes_stands_below_a_rule_of_the_readable_table(files):
    above, below = files["evaluation_table.md"].decode().split("\n---\n")
    assert "Reasoning depth" in above and "Thinking, tokens" not in above
    assert below.strip().startswith("## Descriptive, not correctness")
    rows = dict(line.strip("| ").split(" | ", 1) for line in below.splitlines() if line.startswith("| "))
    assert rows["Thinking, tokens"] == "0 (0) | 46 (46) | +46 | 12"
    assert "0 of the baseline’s and 1 of the fine-tuned’s answers" in below


def test_agreement_has_its_reasons(files):
    rows = list(csv.DictReader(io.StringIO(files["agreement.csv"].decode())))
    assert all(row["value"] or row["reason"] for row in rows)
    assert {row["basis"] for row in rows} >= {"scores", "differences", "spans", "rater", "guesses", "repeats"}


def test_what_the_table_has_no_column_for_stands_beside_it(made, files):
    rows = {
        (row["outcome"], row["measure"]): row for row in csv.DictReader(io.StringIO(files["further.csv"].decode()))
    }
    depth = made.evaluation.row("D")
    best = rows["D", "difference of shares in the best bin"]
    assert (float(best["value"]), float(best["ci_low"])) == (
        depth.best_bin_difference.value, depth.best_bin_difference.low,
    )  # fmt: skip
    tested = rows["D", "Wilcoxon signed-rank (Pratt), exact: smaller rank sum"]
    assert (float(tested["value"]), float(tested["p"])) == (depth.wilcoxon.statistic, depth.wilcoxon.p)
    points = [int(float(rows["D", f"ratings of {point}, fine-tuned"]["value"])) for point in range(1, 6)]
    assert tuple(enumerate(points, 1)) == depth.finetuned.distribution and sum(points) == 24
    assert float(rows["D", "difference with one rater left out, lowest"]["value"]) == min(
        depth.sensitivity.without_a_rater
    )
    assert rows["D", "difference, raters drawn like cases"]["reason"] == "fewer than 3 raters"
    assert rows["preference", "the same at equal sides, length and format"]["reason"].startswith("fewer than 50")
    assert -1 <= float(rows["axes", "rank correlation of D and F over answers"]["value"]) <= 1
    assert ("preference", "ratings of -3, baseline") not in rows and ("preference", "ratings of -3") in rows


HOSTILE = "100% & <b>_x_$ #1 {ä} Δ−±🩺\\ ~^"


def test_the_workbook_holds_the_numbers_and_no_formula(made):
    book = openpyxl.load_workbook(io.BytesIO(xlsx(made)))
    sheet = book["evaluation_table"]
    head, *rows = list(sheet.iter_rows(values_only=True))
    assert list(head) == list(COLUMNS)
    for row, kept in zip(rows, table(made.evaluation), strict=True):
        for value, wanted in zip(row, kept.values(), strict=True):
            # A spreadsheet keeps sixteen digits.
            assert value == (pytest.approx(wanted, rel=1e-15) if isinstance(wanted, float) else wanted)
    assert {place.data_type for line in book["readable"].iter_rows() for place in line} <= {"s", "n"}


@pytest.mark.skipif(shutil.which("soffice") is None, reason="LibreOffice is not installed")
def test_the_workbook_opens_in_libreoffice_with_the_same_cells(made, tmp_path):
    (tmp_path / "table.xlsx").write_bytes(xlsx(made))
    options = [
        "--headless",
        "--convert-to",
        "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,false,false",
        "--outdir",
    ]
    home = f"-env:UserInstallation=file://{tmp_path}/profile"
    subprocess.run(
        ["soffice", home, *options, str(tmp_path), str(tmp_path / "table.xlsx")],
        check=True, capture_output=True, timeout=180,
    )  # fmt: skip
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, kept in zip(rows, table(made.evaluation), strict=True):
        for name, value in kept.items():
            if isinstance(value, float | int):
                assert float(row[name]) == pytest.approx(value, rel=1e-12)
            else:
                assert row[name] == (value or "")


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="LaTeX is not installed")
def test_the_latex_compiles(made, tmp_path):
    text = latex(made)
    assert all(escaped(words) in text for words in HEAD)
    (tmp_path / "t.tex").write_text(text.replace(r"\end{document}", escaped(HOSTILE) + r"\end{document}"), "utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"],
        cwd=tmp_path, capture_output=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-1500:]
    assert (tmp_path / "t.pdf").stat().st_size > 5_000
