"""What the database itself refuses, in SQLite and in PostgreSQL; and the audit's chain."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy.exc import DBAPIError

from medreason.domain.arms import Side
from medreason.domain.rater import RaterFacts
from medreason.domain.span import Basis, Span, SpanType, Target
from medreason.domain.study import ShowingKind
from medreason.storage import login_tables, study_tables
from medreason.storage.audit import Audit
from medreason.storage.database import Database
from medreason.storage.study_tables import texts
from tests.store import rating
from tests.studies import NAME, StudyDesk, copied, judgement, plan, rate, with_study

APPEND_ONLY = (
    *("study_cases", "consents", "generations", "schedules", "showings", "openings", "own_answers"),
    *("judgements", "given", "spans", "preferences", "skips", "adjudications", "audit"),
    *("settled_marks", "rater_facts"),
)


def filled(place: Path | str) -> StudyDesk:
    """A study with a row in every table."""
    return copied(place, "filled", _filled)


def _filled(place: Path | str) -> StudyDesk:
    desk = with_study(place, own_answer=True, count=3)
    while view := desk.sessions.next(desk.local, "Anna", NAME):
        if view.asks_own_answer:
            desk.sessions.own_answer(desk.local, "Anna", view.showing_id, "Gout", 2)
            if view.position == 1:
                desk.sessions.skip(desk.local, "Anna", view.showing_id, "later")
            continue
        rate(desk, view, "Anna", comment="said")
    first = next(one for one in desk.store.showings.of_rater(1, 2) if one.kind is ShowingKind.STUDY)
    desk.sessions.own_answer(desk.local, "Ben", first.id, "Gout", None)
    view = desk.sessions.open(desk.local, "Ben", first.id)
    rate(desk, view, "Ben", spans=(_mark(view),))
    desk.settling.adjudicate(desk.local, NAME, "c1", "X", "D", 3, "agreed by both")
    desk.settling.settle_mark(desk.local, NAME, desk.settling.marks(desk.local, NAME)[0].id, "no", "too strict")
    desk.sessions.tell_about(desk.local, "Anna", RaterFacts("Nurse or nurse practitioner", "Cardiology", 9))
    return desk


def _mark(view):
    left, looked_up = view.left, (Basis.LOOKED_UP, "a textbook")
    place = (Side.LEFT, Target.ANSWER, 0, 3, left.answer[:3], left.answer_sha256)
    return Span(*place, SpanType.OVERCONFIDENT, 1, *looked_up)


def test_no_row_of_a_study_can_be_changed_or_removed(place):
    desk = filled(place)
    for table in APPEND_ONLY:
        columns = {"audit": "actor", "judgements": "app_version"}.get(table, "id")
        for change in (f"UPDATE {table} SET {columns} = {columns}", f"DELETE FROM {table}"):
            with pytest.raises(DBAPIError), desk.database.engine.begin() as connection:
                assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one() > 0, table
                connection.exec_driver_sql(change)
    for change in (
        "DELETE FROM studies",
        "DELETE FROM texts",
        "DELETE FROM seats",
        "UPDATE studies SET secret = 'x'",
        "UPDATE studies SET plan = '{}'",
        "UPDATE studies SET state = 'draft'",
        "UPDATE texts SET text = 'another'",
        "UPDATE texts SET text = NULL",
        "UPDATE seats SET rater_id = 1",
    ):
        with pytest.raises(DBAPIError), desk.database.engine.begin() as connection:
            connection.exec_driver_sql(change)
    desk.close()


def test_the_older_ratings_are_guarded_in_either_database(place):
    desk = StudyDesk(place)
    desk.older_rating(desk.local, "Anna", desk.pair(user=desk.local).id, rating())
    for change in (
        "UPDATE ratings SET comment = 'x'",
        "DELETE FROM scores",
        "UPDATE presentations SET left_arm = 'finetuned'",
        "UPDATE answers SET text = 'x'",
        *([] if isinstance(place, Path) else ["TRUNCATE audit", "TRUNCATE ratings CASCADE"]),
    ):
        with pytest.raises(DBAPIError), desk.database.engine.begin() as connection:
            connection.exec_driver_sql(change)
    desk.close()


def test_the_audit_chain_holds_and_names_who_did_what(place):
    desk = filled(place)
    verdict = desk.store.audit.verify()
    assert verdict.holds and verdict.entries == len(desk.store.audit.entries()) > 10
    assert verdict.head == desk.store.audit.entries()[-1].sha256
    done = {(one.actor, one.action) for one in desk.store.audit.entries()}
    lead = f"user:{desk.local.id}"
    assert {(lead, "study made"), (lead, "study opened"), ("R01", "consent given"), ("R01", "judged")} <= done
    assert {("R01", "skipped"), ("R01", "own answer"), (lead, "adjudicated")} <= done
    desk.close()


@pytest.mark.parametrize("column", ["at", "actor", "action", "object", "content_sha256", "sha256"])
def test_one_altered_byte_of_the_audit_is_found(tmp_path, column):
    path = tmp_path / "medreason.db"
    filled(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER audit_update")  # somebody who holds the file can do that
        value = connection.execute(f"SELECT {column} FROM audit WHERE id = 5").fetchone()[0]
        altered = chr(ord(value[0]) ^ 1) + value[1:] if value else "x"
        connection.execute(f"UPDATE audit SET {column} = ? WHERE id = 5", (altered,))
        connection.commit()
    database = Database.open(path)
    assert Audit(database).verify().broken_at == 5
    database.close()


def test_a_removed_entry_of_the_audit_is_found(tmp_path):
    path = tmp_path / "medreason.db"
    filled(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER audit_delete")
        connection.execute("DELETE FROM audit WHERE id = 5")
        connection.commit()
    database = Database.open(path)
    assert Audit(database).verify().broken_at == 6
    database.close()


def test_a_text_is_taken_out_and_its_hash_and_the_reason_stay(place):
    desk = with_study(place)
    view = desk.sessions.next(desk.local, "Anna", NAME)
    desk.sessions.submit(desk.local, "Anna", view.showing_id, judgement(comment="Mrs Jane Roe"), True)
    stored = desk.store.judgements.of([view.showing_id])[0]
    desk.settling.redact(desk.admin, stored.comment_id, "names a patient")
    again = desk.store.judgements.of([view.showing_id])[0]
    assert again.judgement.comment == "[This text was taken out.]"
    assert again.content_sha256 == stored.content_sha256
    assert desk.store.audit.verify().holds
    last = desk.store.audit.entries()[-1]
    assert (last.action, last.reason) == ("text taken out", "names a patient")
    with desk.database.read() as connection:
        rows = connection.execute(sqlalchemy.select(texts.c.text).where(texts.c.id == stored.comment_id))
        assert rows.scalar_one() is None
        assert "Jane" not in repr(connection.exec_driver_sql("SELECT * FROM texts").all())
    desk.close()


def test_an_admin_finds_every_typed_text_by_what_it_is(tmp_path):
    desk = filled(tmp_path / "medreason.db")
    found = desk.settling.typed_texts(desk.admin, NAME)
    kinds = {(one.kind, one.by, one.text) for one in found}
    assert {("case", "", "Case 1: what is it?"), ("comment", "R01", "said")} <= kinds
    assert {("own answer", "R01", "Gout"), ("skip", "R01", "later")} <= kinds
    assert {("source of a mark", "R02", "a textbook"), ("settled", "", "too strict")} <= kinds
    for one in found:
        desk.settling.redact(desk.admin, one.id, "all out")
    assert {one.text for one in desk.settling.typed_texts(desk.admin, NAME)} == {"[This text was taken out.]"}
    assert desk.store.audit.verify().holds
    assert len(desk.collections.records(desk.admin, NAME).ratings) > 0
    desk.close()


def test_a_store_from_before_studies_is_migrated_with_its_ratings(tmp_path):
    path = tmp_path / "medreason.db"
    desk = StudyDesk(path)
    desk.older_rating(desk.local, "Anna", desk.pair(user=desk.local).id, rating(comment="kept"))
    desk.close()
    newer = {**vars(study_tables), **vars(login_tables)}.values()
    ours = [table.name for table in newer if isinstance(table, sqlalchemy.Table)]
    ours.append("rater_facts")
    assert {"studies", "audit", "judgements"} <= {*ours}
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        for name in ours:
            connection.execute(f"DROP TABLE {name}")
        connection.execute("UPDATE alembic_version SET version_num = ?", ("0002",))
        connection.commit()
    desk = StudyDesk(path)
    assert [one.rating.comment for one in desk.ratings.all()] == ["kept"]
    desk.open_study(plan())
    desk.close()
