"""A comparing service on a scripted engine and a fresh store, with people to ask it."""

import time
from collections.abc import Callable

from medreason.domain.case import Case
from medreason.domain.sampling import Sampling
from medreason.domain.user import Role, User
from medreason.engine.protocol import Phase
from medreason.engine.scripted import ScriptedEngine
from medreason.folder import DataFolder
from medreason.services.case_desk import ClosedCases, none_closed
from medreason.services.comparing import Comparing
from medreason.services.conversations import Conversations
from medreason.services.live_pair import LivePair
from medreason.services.pair_view import PairView
from medreason.services.serving import AdapterChoice, Serving
from medreason.storage.conversations import ConversationList
from medreason.storage.database import Database
from medreason.storage.pairs import Pairs
from medreason.storage.people import People
from tests.store import empty


class Stage:
    """A comparing service on a scripted engine and a fresh store."""

    def __init__(self, folder: DataFolder, cases: tuple[Case, ...] = (), closed_cases: ClosedCases = none_closed):
        if not folder.database.exists():
            folder.database.write_bytes(empty())
        database = Database.open(folder.database)
        self.engine = ScriptedEngine()
        self.pairs = Pairs(database)
        people = People(database)
        self.user, self.other = people.add("ann", Role.ADMIN), people.add("bob", Role.ADMIN)
        self.rater = people.add("rae", Role.RATER)
        choice = AdapterChoice("demo", "Demo adapter", folder.root / "demo-adapter")
        self.serving = Serving(lambda: (self.engine, "demo"), lambda: [choice])
        self.serving.start_loading()
        until(lambda: self.serving.state.phase is Phase.READY)
        self.comparing = Comparing(self.serving, self.pairs, cases, closed_cases)
        self.conversations = Conversations(self.pairs, ConversationList(database), self.comparing)

    def ask(self, question: str = "Likely cause?", **how: object) -> LivePair:
        how.setdefault("blind", False)
        return self.comparing.ask(self.user, question, Sampling(), **how)  # type: ignore[arg-type]

    def asked(self, question: str = "Likely cause?", **how: object) -> PairView:
        return self.ended(self.ask(question, **how))

    def ended(self, live: LivePair) -> PairView:
        """What is stored once the answer has come to its end."""
        return self.ended_by(live, self.user)

    def ended_by(self, live: LivePair, user: User) -> PairView:
        assert live.finished.wait(5)
        until(lambda: self.comparing.answering.find(live.pair.id) is None)
        return self.shown(live.pair.conversation_id, user)

    def shown(self, conversation_id: int, user: User | None = None) -> PairView:
        """The last turn of a conversation."""
        return self.conversations.open(user or self.user, conversation_id)[-1]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)
