"""Everything a page may call, in one place."""

from dataclasses import dataclass

from medreason.domain.case import Case
from medreason.services.backing_up import BackingUp
from medreason.services.comparing import Comparing
from medreason.services.conversations import Conversations
from medreason.services.data_desk import DataDesk
from medreason.services.drafts import Drafts
from medreason.services.logging_in import LoggingIn
from medreason.services.people import PeopleService
from medreason.services.quantizing import Quantizing
from medreason.services.rating import RatingService
from medreason.services.results import Results
from medreason.services.serving import Serving
from medreason.services.sessions import RatingSessions
from medreason.services.settling import Settling
from medreason.services.studies import Studies
from medreason.services.training import Training
from medreason.services.training_plan import TrainingPlan


@dataclass(frozen=True)
class Services:
    """The services and the case deck, made once by `app.py` and passed to the pages."""

    people: PeopleService
    logging_in: LoggingIn
    serving: Serving
    comparing: Comparing
    conversations: Conversations
    rating: RatingService
    sessions: RatingSessions
    studies: Studies
    settling: Settling
    results: Results
    training: Training
    plan: TrainingPlan
    quantizing: Quantizing
    desk: DataDesk
    drafts: Drafts
    cases: tuple[Case, ...]
    backups: BackingUp | None = None

    def stop_all(self) -> None:
        """At shutdown: end whatever is being answered or generated."""
        self.studies.stop_all()
        self.comparing.stop_all()
        if self.backups is not None:
            self.backups.stop()

    def backups_told(self) -> str:
        """How old the newest backup is, for whoever answers for the data."""
        if self.backups is None:
            return "This app makes no backups by itself; whoever looks after the database does (app.py backup)."
        return self.backups.sentence()
