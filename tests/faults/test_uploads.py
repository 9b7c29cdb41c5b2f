"""Files that lie, that unpack to far more than they are, and connections that say nothing (fault 13)."""

import gzip
import io
import os
import socket
import time
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import psutil
import pyarrow
import pytest
from pyarrow import parquet

from medreason.data import table
from medreason.data.cases import load_cases
from medreason.data.sources import load, source_of
from medreason.errors import MedReasonError
from medreason.folder import DataFolder
from tests.server import Server
from tests.shell import ORIGIN, Shell, call, config_of, event, outcome, shell

COLUMNS = ("Question", "Complex_CoT", "Response")
WORD = "word " * 18_000


def bomb(path: Path, rows: int, text: str = WORD) -> Path:
    """A small file that says a long text again and again."""
    said = pyarrow.array([text]).dictionary_encode()
    one = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * rows, pyarrow.int32()), said.dictionary)
    parquet.write_table(pyarrow.table(dict.fromkeys(COLUMNS, one)), path, compression="zstd")
    return path


def zipped(content: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", content)
    return made.getvalue()


HALF_SAID = b"POST /gradio_api/queue/join HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9\r\n\r\n{"
HEARTBEAT = b"GET /gradio_api/heartbeat/idle%d HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
ZEROS = b"0" * 30_000_000
LIES = {
    "a zip bomb named csv": ("cases.csv", zipped(ZEROS)),
    "a zip bomb named parquet": ("rows.parquet", zipped(ZEROS)),
    "a gzip bomb named jsonl": ("rows.jsonl", gzip.compress(ZEROS)),
    "a workbook named json": ("rows.json", zipped(b"<worksheet/>")),
    "a program named csv": ("cases.csv", b"\x7fELF\x02\x01\x01" + bytes(200)),
    "a picture named jsonl": ("rows.jsonl", b"\x89PNG\r\n\x1a\n" + bytes(range(256))),
    "a page named parquet": ("rows.parquet", b"<!doctype html><script>window.__x = 1</script>"),
    "a parquet file's frame without its middle": ("rows.parquet", b"PAR1" + bytes(64) + b"PAR1"),
}


@contextmanager
def memory_within(bytes_more: int) -> Iterator[None]:
    before = psutil.Process().memory_info().rss
    yield
    assert psutil.Process().memory_info().rss - before < bytes_more


@pytest.mark.parametrize("name", LIES)
def test_a_file_that_is_not_what_its_name_says_is_refused_in_words(tmp_path: Path, name: str) -> None:
    """Nothing is unpacked but Parquet, so an archive is never opened."""
    path = tmp_path / LIES[name][0]
    path.write_bytes(LIES[name][1])
    with memory_within(100_000_000):
        with pytest.raises(MedReasonError) as refused:
            loaded = load(source_of(str(path), folder=DataFolder(tmp_path)), DataFolder(tmp_path))
            assert not loaded.rows
            raise MedReasonError(str(loaded.faults[0]))
        assert len(str(refused.value)) < 1000
        if path.suffix in (".csv", ".jsonl"):
            with pytest.raises(MedReasonError):
                load_cases(path)


def test_a_parquet_file_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "LARGEST_FILE_BYTES", 40_000_000)
    path = bomb(tmp_path / "rows.parquet", 20_000)
    assert path.stat().st_size < 200_000, "5.4 GB of text"
    with memory_within(400_000_000), pytest.raises(MedReasonError, match="unpacks to more than 2 GB"):
        load(source_of(str(path), folder=DataFolder(tmp_path)), DataFolder(tmp_path))


def test_one_huge_cell_in_a_small_parquet_file_is_named_and_not_kept(tmp_path: Path) -> None:
    path = bomb(tmp_path / "rows.parquet", 15, "x" * 30_000_000)
    assert path.stat().st_size < 200_000
    with memory_within(700_000_000):
        loaded = load(source_of(str(path), folder=DataFolder(tmp_path)), DataFolder(tmp_path))
    assert loaded.rows == () and "30,000,000 characters" in str(loaded.faults[0])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    folder = tmp_path_factory.mktemp("uploads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder / "scratch"))
        with shell(folder / "data") as made:
            yield made


def scratch() -> list[Path]:
    return [one for one in Path(os.environ["GRADIO_TEMP_DIR"]).rglob("*") if one.is_file()]


def test_a_lying_type_is_served_to_its_owner_as_a_download_and_never_shown(site: Shell) -> None:
    ann = site.logged_in("ann")
    for name, kind in (("a.html", "image/png"), ("a.svg", "image/svg+xml"), ("a.csv", "text/html")):
        content = b"<svg xmlns='http://www.w3.org/2000/svg' onload='window.__x = 1'/><script>1</script>"
        (path,) = ann.post("/gradio_api/upload", files={"files": (name, content, kind)}, headers=ORIGIN).json()
        answer = ann.get(f"/gradio_api/file={path}")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-type"].partition(";")[0] in ("application/octet-stream", "text/csv"), name
        assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_a_refused_upload_leaves_nothing_behind(site: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = site.logged_in("ann")
    before = scratch()
    many = [("files", (f"{number}.csv", b"x")) for number in range(1500)]
    assert ann.post("/gradio_api/upload", files=many, headers=ORIGIN).status_code == 400
    large = {"files": ("large.csv", io.BytesIO(b"x" * (257 * 2**20)))}
    assert ann.post("/gradio_api/upload", files=large, headers=ORIGIN).status_code == 413
    assert scratch() == before


def test_a_bomb_that_is_uploaded_is_told_of_on_the_page(site: Shell) -> None:
    ann = site.logged_in("ann")
    config = config_of(ann)
    for number, (name, content) in enumerate(LIES.values()):
        (path,) = ann.post("/gradio_api/upload", files={"files": (name, content)}, headers=ORIGIN).json()
        file = {"path": path, "orig_name": name, "meta": {"_type": "gradio.FileData"}}
        assert call(ann, f"lies{number}", event(config, "take_upload")["id"], [file]).status_code == 200
        outcome(ann, f"lies{number}")
    assert ann.get("/config").status_code == 200


def test_five_hundred_silent_connections_hold_up_nobody(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", "--base-model", "embedded").start()
    try:
        with ExitStack() as idle, httpx.Client(base_url=server.url, timeout=10) as http:
            for number in range(500):
                one = idle.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
                one.sendall((b"", HALF_SAID, HEARTBEAT % number)[number % 3])
            assert http.get("/config").status_code == 200  # the page is made at its first asking
            took = []
            for _ in range(5):
                began = time.monotonic()
                assert http.get("/config").status_code == 200
                took.append(time.monotonic() - began)
            assert max(took) < 2, took
    finally:
        server.kill()
