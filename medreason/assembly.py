"""Puts the parts together for one running app: store, engine, services. Made once, passed on."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from medreason import demo
from medreason.data.cases import load_cases
from medreason.data.practice import load_practice
from medreason.domain.run import RunState, RunStatus
from medreason.engine.openai_compatible import OpenAICompatibleEngine
from medreason.engine.protocol import Engine
from medreason.engine.server_connection import read_key
from medreason.errors import MedReasonError
from medreason.models.adapters import read_adapter
from medreason.models.base import resolve_base
from medreason.models.machine import ThisMachine
from medreason.services.backing_up import BackingUp
from medreason.services.collections import Collections
from medreason.services.comparing import Comparing
from medreason.services.conversations import Conversations
from medreason.services.data_desk import DataDesk
from medreason.services.datasets import DataSets
from medreason.services.drafts import Drafts
from medreason.services.generating import Generating
from medreason.services.logging_in import LoggingIn
from medreason.services.people import PeopleService
from medreason.services.planning import Planning
from medreason.services.quantizing import Quantizing
from medreason.services.rating import RatingService
from medreason.services.results import Results
from medreason.services.seats import Seats
from medreason.services.services import Services
from medreason.services.serving import AdapterChoice, Serving
from medreason.services.sessions import RatingSessions
from medreason.services.settling import Settling
from medreason.services.studies import Studies
from medreason.services.training import Training
from medreason.services.training_plan import TrainingPlan
from medreason.settings import AppSettings
from medreason.storage.conversations import ConversationList
from medreason.storage.database import Database
from medreason.storage.logins import Logins
from medreason.storage.pairs import Pairs
from medreason.storage.people import People
from medreason.storage.ratings import Ratings
from medreason.storage.study_store import StudyStore

DEMO_KEY = "demo"
GIVEN_KEY = "given"
SERVER_KEY = "server"


def find_adapters(settings: AppSettings, training: Training) -> list[AdapterChoice]:
    """The adapter given at the start, the ready-made one, and those that runs have kept; where a server holds the
    models, the one that it has."""
    if settings.server is not None:
        name = settings.server.finetuned.rstrip("/").rsplit("/", 1)[-1]
        return [AdapterChoice(SERVER_KEY, f"{name} (on the server)", Path(name))]
    found = []
    if settings.adapter:
        given = Path(settings.adapter).expanduser().resolve()
        found.append(AdapterChoice(GIVEN_KEY, f"{given.name} (given at start)", given))
    found.append(AdapterChoice(DEMO_KEY, "Demo adapter (ready-made)", demo.ADAPTER))
    found.extend(
        AdapterChoice(f"run:{run.name}", _label(run), Path(run.adapter)) for run in training.runs() if run.adapter
    )
    return found


def _label(run: RunStatus) -> str:
    """A run's adapter in a word; one that was stopped says where."""
    at = f", stopped at step {run.step:,}" if run.state is RunState.STOPPED else ""
    return f"Run {run.shown_name}{at}"


def assemble(settings: AppSettings, other_engine: Callable[[], Engine] | None = None) -> Services:
    """All services on one data folder. Loads no model; `services.serving.start_loading()` does. Raises
    `MedReasonError` for a base model, adapter or server key that is not there, before anything heavy is loaded.
    `other_engine` makes what answers in place of the model that `settings` name: load tests play a script."""
    folder = settings.folder
    database = Database.open(settings.database)
    pairs, people = Pairs(database), People(database)
    training = Training(folder)
    cases = load_cases(demo.CASES)

    if settings.adapter:
        read_adapter(Path(settings.adapter).expanduser())
    if settings.base_model not in ("auto", "embedded"):
        resolve_base(settings.base_model, settings.revision, folder, "none")

    key = read_key(settings.server) if settings.server else ""

    def adapters() -> list[AdapterChoice]:
        return find_adapters(settings, training)

    def make_engine() -> tuple[Engine, str]:
        if other_engine is not None:
            return other_engine(), ""
        if settings.server is not None:
            return OpenAICompatibleEngine(settings.server, key), SERVER_KEY
        from medreason.engine.local import LocalEngine  # loads torch: only in the loading thread

        source = resolve_base(settings.base_model, settings.revision, folder, settings.quantization)
        begins = GIVEN_KEY if settings.adapter else DEMO_KEY if source.embedded else ""
        first = next((one.path for one in adapters() if one.key == begins), None)
        given = (settings.base_model, settings.revision, settings.quantization, folder)
        return LocalEngine(*given, first), begins

    def manifest_of(key: str) -> Mapping[str, Any] | None:
        path = next((one.path for one in adapters() if one.key == key), None)
        try:
            return read_adapter(path).manifest if path else None
        except MedReasonError:  # an adapter that cannot be read says nothing of its rows
            return None

    serving = Serving(make_engine, adapters, settings.server.words if settings.server else "")
    store, seats = StudyStore.on(database), Seats(people, pairs)
    practice, planning = load_practice(demo.PRACTICE), Planning(manifest_of)
    studies = Studies(store, seats, practice, Generating(store, serving, manifest_of), planning)
    comparing = Comparing(serving, pairs, cases, studies.closed_cases)
    backed_up = settings.backup_hours > 0 and not settings.database_url
    return Services(
        people=PeopleService(people),
        logging_in=LoggingIn(Logins(database)),
        serving=serving,
        comparing=comparing,
        conversations=Conversations(pairs, ConversationList(database), comparing),
        rating=RatingService(pairs, Ratings(database), people, store),
        sessions=RatingSessions(store, seats, practice),
        studies=studies,
        settling=Settling(store),
        results=Results(
            Collections(store, pairs, Ratings(database), people, practice, planning, cases), folder.models
        ),
        training=training,
        plan=TrainingPlan(folder, ThisMachine(folder.root), cases),
        quantizing=Quantizing(folder, serving),
        desk=DataDesk(DataSets(folder, cases)),
        drafts=Drafts(folder),
        cases=cases,
        backups=BackingUp(folder.database, settings.backup_hours) if backed_up else None,
    )
