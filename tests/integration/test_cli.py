"""Wrong use of the command line: one plain sentence, exit code 2, nothing left on disk, no traceback."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from medreason.cli import main
from medreason.errors import Fault, Invalid
from medreason.settings import AppSettings
from tests.conftest import CHECKOUT


def refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    try:
        code = main(arguments)
    except SystemExit as ended:
        code = int(ended.code or 0)
    printed = capsys.readouterr()
    assert code == 2
    assert "Traceback" not in printed.err and printed.out == ""
    assert len(printed.err.strip().splitlines()) == 1
    return printed.err.strip()


@pytest.mark.parametrize(
    "arguments,named",
    [
        (["--port", "abc"], "port"),
        (["--port", "0"], "--port"),
        (["--port", "70000"], "--port"),
        (["--host", "0.0.0.0"], "--host"),
        (["--quantization", "int3"], "quantization"),
        (["--nonsense"], "nonsense"),
        (["fly"], "fly"),
        (["--engine", "cloud"], "engine"),
        (["--engine", "openai"], "--api-base"),
        (["--api-base", "nowhere", "--model-baseline", "a", "--model-finetuned", "b"], "--api-base"),
        (["--api-base", "http://127.0.0.1:1/v1"], "--model-baseline"),
        (["user", "add", "ann"], "role"),
        (["user", "add", "ann", "--role", "god"], "role"),
    ],
)
def test_a_wrong_option_is_named(
    arguments: list[str],
    named: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert named in refused(arguments, capsys)
    assert list(tmp_path.iterdir()) == []


def test_a_port_in_use_is_told_before_anything_is_loaded(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        said = refused(["serve", "--port", str(port), "--data-dir", str(tmp_path / "d")], capsys)
    assert f"Port {port}" in said and "--port" in said


def test_a_data_folder_that_cannot_be_made_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("I am a file")
    said = refused(["serve", "--data-dir", str(tmp_path / "file" / "data")], capsys)
    assert "data folder" in said and "--data-dir" in said


def test_cases_of_a_file_make_a_draft_study(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    file, data = tmp_path / "cases.csv", tmp_path / "data"
    file.write_text("text,kind\nWhy is it blue?,study\nWhy does insulin raise glucose?,false_premise\n")
    asked = ["import-cases", str(file), "--study", "pilot", "--data-dir", str(data)]
    for _ in range(2):  # the second time adds nothing
        assert main(asked) == 0
        assert "The draft pilot holds 1 case to rate and 1 control case." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text,kind\nWhy?,nonsense\n", "row 2, column “kind” is 'nonsense'"),
        ("case_id,specialty\na,b\n", "no column “text”"),
        ("text\nPatient John Doe MRN 12345\n", "Give --identifiers-ok"),
    ],
)
def test_a_faulty_case_file_is_one_sentence(
    content: str, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "cases.csv"
    file.write_text(content)
    assert said in refused(["import-cases", str(file), "--study", "p", "--data-dir", str(tmp_path / "d")], capsys)
    for name in ("missing.csv", "cases.txt"):
        refused(["import-cases", str(tmp_path / name), "--study", "p", "--data-dir", str(tmp_path / "e")], capsys)
    refused(["import-cases", str(file), "--data-dir", str(tmp_path / "e")], capsys)
    assert not (tmp_path / "e").exists()


def test_every_option_has_the_default_of_the_settings() -> None:
    settings = AppSettings()
    assert settings.address == "http://127.0.0.1:7860"
    with pytest.raises(Invalid) as told:
        AppSettings(host="evil.example", port=0)
    assert {fault.field for fault in told.value.faults} == {"--host", "--port"}


def test_a_fault_names_field_value_and_remedy() -> None:
    assert str(Fault("Port", 0, "give 1 or more")) == "Port is 0: give 1 or more"
    assert str(Fault("Question", "", "must not be empty")) == "Question: must not be empty"
    assert len(str(Fault("Text", "x" * 500, "shorten it"))) < 100


def test_a_key_that_is_not_there_is_told_before_anything_is_served(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    server = ["--api-base", "http://127.0.0.1:1/v1", "--model-baseline", "a", "--model-finetuned", "b"]
    words = ["serve", "--port", port, "--data-dir", str(tmp_path / "d"), *server, "--api-key-env", "NO_SUCH_KEY"]
    assert "--api-key-env names is not set" in refused(words, capsys)


def test_a_python_that_is_too_old_is_told_in_one_line() -> None:
    older = "import sys, runpy; sys.version_info = (3, 10, 4, 'final', 0); "
    script = older + "runpy.run_path('app.py', run_name='__main__')"
    ended = subprocess.run([sys.executable, "-c", script], cwd=CHECKOUT, capture_output=True, text=True)
    assert ended.returncode != 0
    assert ended.stderr.splitlines() == ["MedReason needs Python 3.11 or newer; this is 3.10."]


def test_a_package_that_is_missing_is_named_with_what_to_do(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    said = refused(["serve", "--port", port, "--data-dir", str(tmp_path / "d")], capsys)
    assert "uvicorn is not installed" in said and "make setup" in said
