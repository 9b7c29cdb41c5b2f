"""Users are added and changed by commands; a password is typed, never an option."""

import io
from pathlib import Path

import pytest

from medreason.cli import main
from medreason.commands import users
from medreason.services.passwords import Passwords
from medreason.services.people import PeopleService
from medreason.storage.audit import Audit
from medreason.storage.database import Database
from medreason.storage.logins import Logins
from medreason.storage.people import People
from tests.logins import HASHER
from tests.store import empty

GOOD = "three wet herons"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "medreason.db").write_bytes(empty())
    monkeypatch.setattr(users, "PeopleService", lambda people: PeopleService(people, Passwords(HASHER)))
    return tmp_path


class Commands:
    """Runs `app.py user …` with a line on standard input."""

    def __init__(self, data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
        self._data, self._capsys, self._monkeypatch = data, capsys, monkeypatch

    def run(self, *words: str, typed: str = f"{GOOD}\n") -> tuple[int, str]:
        self._monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        code = main(["user", *words, "--data-dir", str(self._data)])
        printed = self._capsys.readouterr()
        assert len(printed.err.splitlines()) == (0 if code == 0 else 1)
        return code, (printed.out + printed.err).strip()


@pytest.fixture
def commands(data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Commands:
    return Commands(data, capsys, monkeypatch)


def test_a_user_is_added_once_with_a_password(commands: Commands, data: Path) -> None:
    assert commands.run("add", "Ann", "--role", "rater") == (
        0,
        "Added Ann as rater. From now on everybody logs in.",
    )
    code, said = commands.run("add", "ann", "--role", "lead")
    assert code == 2 and "There is a user named ann already" in said
    assert commands.run("list") == (0, "Ann  rater     can log in")
    stored = b"".join(file.read_bytes() for file in data.glob("medreason.db*"))
    assert b"argon2id" in stored and GOOD.encode() not in stored


@pytest.mark.parametrize(
    "typed", ["", "\n", "short\n", "a" * 300 + "\n", "aaaaaaaaaaaaaa\n", "ann and nobody else\n"]
)
def test_a_weak_password_leaves_no_user_behind(commands: Commands, typed: str) -> None:
    code, said = commands.run("add", "Ann", "--role", "admin", typed=typed)
    assert code == 2 and "password" in said
    assert "no users yet" in commands.run("list")[1]


def test_a_terminal_asks_twice(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def typed(prompt: str) -> str:
        asked.append(prompt)
        return answers.pop(0)

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr("getpass.getpass", typed)
    monkeypatch.setattr(io, "StringIO", Terminal)
    answers = [GOOD, "three wet heron"]
    code, said = commands.run("add", "Ann", "--role", "admin")
    assert (code, len(asked)) == (2, 2) and "not the same" in said
    answers = [GOOD, GOOD]
    assert commands.run("add", "Ann", "--role", "admin")[0] == 0
    assert "at least 12 characters" in asked[0]


def test_a_users_life(commands: Commands, data: Path) -> None:
    assert commands.run("add", "Ann", "--role", "rater")[0] == 0
    assert commands.run("role", "ann", "--role", "lead") == (0, "Ann is lead from the next click on.")
    assert "new password" in commands.run("password", "ANN", typed="four dry storks\n")[1]
    assert "cannot log in any more" in commands.run("disable", "Ann")[1]
    assert commands.run("list")[1] == "Ann  lead      disabled"
    assert commands.run("enable", "Ann")[1] == "Ann can log in again."
    assert commands.run("sessions", "Ann")[1] == "Ann is not logged in."
    assert commands.run("sessions", "Ann", "--end")[1] == "Logged Ann out of 0 sessions."
    audit = Audit(Database.open(data / "medreason.db"))
    assert [one.action for one in audit.entries("user:1")] == [
        "password set",
        "role set to lead",
        "password set",
        "disabled",
        "enabled",
        "logins ended",
    ]
    assert audit.verify().holds


@pytest.mark.parametrize("words", [("password", "bob"), ("role", "bob", "--role", "lead"), ("disable", "bob")])
def test_a_user_who_is_not_there_is_named(commands: Commands, words: tuple[str, ...]) -> None:
    code, said = commands.run(*words)
    assert code == 2 and said.startswith("There is no user named bob.")


def test_a_user_of_an_earlier_version_has_no_password_yet(commands: Commands, data: Path) -> None:
    database = Database.open(data / "medreason.db")
    PeopleService(People(database)).add_user("Old", "lead")  # type: ignore[arg-type]
    assert commands.run("list")[1] == "Old  lead      no password yet"
    assert "no password" in commands.run("disable", "Old")[1]
    assert not Logins(database).any_credentials()
