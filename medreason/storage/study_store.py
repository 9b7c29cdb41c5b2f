"""Everything about studies that is kept, on one database."""

from contextlib import AbstractContextManager
from dataclasses import dataclass

from medreason.storage.adjudications import Adjudications
from medreason.storage.audit import Audit
from medreason.storage.database import Database
from medreason.storage.generations import Generations
from medreason.storage.judgements import Judgements
from medreason.storage.session_notes import SessionNotes
from medreason.storage.showings import Showings
from medreason.storage.studies import Studies


@dataclass(frozen=True)
class StudyStore:
    studies: Studies
    generations: Generations
    showings: Showings
    judgements: Judgements
    notes: SessionNotes
    adjudications: Adjudications
    audit: Audit

    def one_view(self) -> AbstractContextManager[None]:
        """All reads meanwhile see one moment, in one transaction; see `Database.one_view`."""
        return self.audit.database.one_view()

    @classmethod
    def on(cls, database: Database) -> "StudyStore":
        return cls(
            Studies(database),
            Generations(database),
            Showings(database),
            Judgements(database),
            SessionNotes(database),
            Adjudications(database),
            Audit(database),
        )
