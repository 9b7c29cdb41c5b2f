"""Logging in: whose token it is, when it ends, and how often a password may be guessed."""

import threading

import pytest

from medreason.domain.user import Role
from medreason.errors import MedReasonError, NotAllowed
from medreason.services.logging_in import LIMITS, TooManyTries, WrongLogin
from medreason.services.passwords import Passwords
from medreason.storage.database import Database
from tests.logins import HASHER, PASSWORD, Desk
from tests.store import empty


@pytest.fixture
def desk(tmp_path):
    (tmp_path / "a.db").write_bytes(empty())
    database = Database.open(tmp_path / "a.db")
    yield Desk(database)
    database.close()


def tries(desk: Desk, name: str = "Ann", password: str = "wrong", address: str = "10.0.0.9") -> Exception | None:
    try:
        desk.logging_in.log_in(name, password, address)
    except MedReasonError as fault:
        return fault
    return None


def test_a_token_belongs_to_whoever_logged_in(desk):
    ann, bob = desk.adds("Ann"), desk.adds("Bob", Role.LEAD)
    mine, his = desk.logs_in("ANN"), desk.logs_in("bob")
    assert (desk.logging_in.who(mine), desk.logging_in.who(his)) == (ann, bob)
    assert [desk.logging_in.who(one) for one in (None, "", "x", mine + "x")] == [None] * 4


def test_only_the_hash_of_a_token_is_kept(desk, tmp_path):
    desk.adds("Ann")
    token = desk.logs_in("Ann")
    desk.logins.database.close()
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert token.encode() not in kept and PASSWORD.encode() not in kept


def test_a_login_ends_when_it_is_not_used_and_after_a_day_at_the_latest(desk):
    desk.adds("Ann")
    left, used = desk.logs_in("Ann"), desk.logs_in("Ann")
    for _ in range(11):
        desk.clock.goes_on(hours=1)
        assert desk.logging_in.who(used) is not None
    assert desk.logging_in.who(left) is None
    desk.clock.goes_on(hours=1)
    assert desk.logging_in.who(used) is None


def test_logging_out_ends_one_login_and_an_admin_can_end_all(desk):
    desk.adds("Ann")
    one, two, three = (desk.logs_in("Ann") for _ in range(3))
    desk.logging_in.log_out(one)
    assert (desk.logging_in.who(one), desk.logging_in.who(two) is None) == (None, False)
    assert len(desk.logging_in.running(desk.people.named("Ann"))) == 2
    assert desk.people.end_logins("Ann") == 2
    assert [desk.logging_in.who(token) for token in (two, three)] == [None, None]


@pytest.mark.parametrize("deed", ["disable", "password"])
def test_a_changed_password_or_a_disabled_user_is_logged_out_at_once(desk, deed):
    desk.adds("Ann")
    token = desk.logs_in("Ann")
    if deed == "disable":
        desk.people.set_disabled("Ann", True)
        assert isinstance(tries(desk, password=PASSWORD), WrongLogin)
    else:
        desk.people.set_password("Ann", "four dry storks")
        assert isinstance(tries(desk, password=PASSWORD), WrongLogin)
        assert tries(desk, password="four dry storks") is None
    assert desk.logging_in.who(token) is None


def test_nothing_tells_whether_there_is_such_a_user(desk, monkeypatch):
    desk.adds("Ann")
    compared = []
    verify = HASHER.verify

    class Counting:
        hash = staticmethod(HASHER.hash)
        check_needs_rehash = staticmethod(HASHER.check_needs_rehash)

        @staticmethod
        def verify(stored, password):
            compared.append(stored)
            return verify(stored, password)

    monkeypatch.setattr(desk.logging_in, "_made", Passwords(Counting()))
    faults = [tries(desk, name=name) for name in ("Ann", "Nobody", "", "x" * 5000, "a\x00b")]
    assert len({(type(fault), str(fault)) for fault in faults}) == 1
    assert len(compared) == len(faults)


def test_two_hundred_wrong_passwords_are_mostly_not_looked_at(desk):
    desk.adds("Ann")
    faults = [tries(desk) for _ in range(200)]
    assert [type(fault) for fault in faults[: LIMITS.of_both]] == [WrongLogin] * LIMITS.of_both
    assert {type(fault) for fault in faults[LIMITS.of_both :]} == {TooManyTries}
    assert 0 < faults[-1].wait_s <= 15 * 60 and "Wait 15 minutes" in str(faults[-1])
    assert isinstance(tries(desk, password=PASSWORD), TooManyTries)
    told = desk.logging_in.log_in("Ann", PASSWORD, "10.0.0.1")  # somewhere else she is not locked out
    assert told.failed_before == LIMITS.of_both
    assert desk.logging_in.log_in("Ann", PASSWORD, "10.0.0.1").failed_before == 0
    desk.clock.goes_on(minutes=15, seconds=1)
    assert tries(desk, password=PASSWORD) is None


def test_an_unknown_name_is_throttled_alike_and_so_is_an_address(desk):
    assert {type(tries(desk, name="Nobody")) for _ in range(12)} == {WrongLogin, TooManyTries}
    faults = [tries(desk, name=f"name {number}", address="10.0.0.7") for number in range(LIMITS.of_address + 1)]
    assert [type(fault) for fault in faults].count(TooManyTries) == 1
    assert isinstance(tries(desk, name="Ann", address="10.0.0.8"), WrongLogin)


def test_tries_at_the_same_moment_are_all_counted(desk):
    desk.adds("Ann")
    faults = []
    threads = [threading.Thread(target=lambda: faults.append(tries(desk))) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(fault) for fault in faults].count(WrongLogin) == LIMITS.of_both


def test_the_throttle_survives_a_restart(desk, tmp_path):
    desk.adds("Ann")
    for _ in range(LIMITS.of_both):
        tries(desk)
    again = Desk(Database.open(tmp_path / "a.db"))
    assert isinstance(tries(again, password=PASSWORD), TooManyTries)


def test_the_local_admin_is_gone_for_good_once_somebody_has_a_password(desk):
    local = desk.people.current_user(None)
    assert (local.role, desk.people.login_needed) == (Role.ADMIN, False)
    desk.people.add_user("Old", Role.LEAD)  # as earlier versions added users
    assert desk.people.current_user("local") == local
    desk.adds("Ann")
    desk.people.set_disabled("Ann", True)
    assert desk.people.login_needed
    with pytest.raises(NotAllowed, match="not logged in"):
        desk.people.current_user("local")
    assert isinstance(tries(desk, name="local", password=PASSWORD), WrongLogin)
    assert desk.people.operator() == local


def test_a_role_counts_at_once_and_is_kept(desk):
    desk.adds("Ann", Role.ENGINEER)
    token = desk.logs_in("Ann")
    desk.people.set_role("Ann", Role.RATER)
    assert desk.logging_in.who(token).role is Role.RATER
    assert desk.people.roles_in_use() == {Role.RATER}


def test_a_refusal_is_noted_once_a_minute(desk):
    ann = desk.adds("Ann")
    for _ in range(5):
        desk.people.note_refusal(ann, "start")
    desk.people.note_refusal(ann, "delete")
    noted = [one.object for one in desk.people._audit.entries() if one.action == "refused"]
    assert noted == ["start", "delete"]
