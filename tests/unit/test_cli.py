"""Wrong use of the command line: one plain sentence, exit code 2, nothing left on disk, no traceback."""

import socket
from pathlib import Path

import pytest

from medreason.cli import main
from medreason.errors import Fault, Invalid
from medreason.settings import AppSettings


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


def test_a_user_is_added_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = ["user", "add", "Ann", "--role", "rater", "--data-dir", str(tmp_path)]
    assert main(asked) == 0
    assert "Added Ann as rater" in capsys.readouterr().out
    assert "Ann" in refused(asked, capsys)


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
