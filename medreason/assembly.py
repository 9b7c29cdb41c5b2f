"""Puts the parts together for one running app: store, engine, services. Made once, passed on."""

from pathlib import Path

from medreason import demo
from medreason.data.cases import load_cases
from medreason.engine.protocol import Engine
from medreason.models.adapters import read_adapter
from medreason.models.base import resolve_base
from medreason.services.comparing import Comparing
from medreason.services.people import PeopleService
from medreason.services.rating import RatingService
from medreason.services.results import Results
from medreason.services.services import Services
from medreason.services.serving import AdapterChoice, Serving
from medreason.services.training import Training
from medreason.settings import AppSettings
from medreason.storage.database import Database
from medreason.storage.pairs import Pairs
from medreason.storage.people import People
from medreason.storage.ratings import Ratings

DEMO_KEY = "demo"
GIVEN_KEY = "given"


def find_adapters(settings: AppSettings, training: Training) -> list[AdapterChoice]:
    """The adapter given at the start, the ready-made one, and those of completed runs."""
    found = []
    if settings.adapter:
        given = Path(settings.adapter).expanduser().resolve()
        found.append(AdapterChoice(GIVEN_KEY, f"{given.name} (given at start)", given))
    found.append(AdapterChoice(DEMO_KEY, "Demo adapter (ready-made)", demo.ADAPTER))
    found.extend(AdapterChoice(f"run:{name}", f"Run {name}", path) for name, path in training.adapters())
    return found


def assemble(settings: AppSettings) -> Services:
    """All services on one data folder. Loads no model; `services.serving.start_loading()` does. Raises
    `MedReasonError` for a base model or adapter that is not there, before anything heavy is loaded."""
    folder = settings.folder
    database = Database.open(folder.database)
    pairs, people = Pairs(database), People(database)
    training = Training(folder)

    if settings.adapter:
        read_adapter(Path(settings.adapter).expanduser())
    if settings.base_model not in ("auto", "embedded"):
        resolve_base(settings.base_model, settings.revision, folder, "none")

    def adapters() -> list[AdapterChoice]:
        return find_adapters(settings, training)

    def make_engine() -> tuple[Engine, str]:
        from medreason.engine.local import LocalEngine  # loads torch: only in the loading thread

        source = resolve_base(settings.base_model, settings.revision, folder, settings.quantization)
        key = GIVEN_KEY if settings.adapter else DEMO_KEY if source.embedded else ""
        first = next((one.path for one in adapters() if one.key == key), None)
        given = (settings.base_model, settings.revision, settings.quantization, folder)
        return LocalEngine(*given, first), key

    serving = Serving(make_engine, adapters)
    return Services(
        people=PeopleService(people),
        serving=serving,
        comparing=Comparing(serving, pairs),
        rating=RatingService(pairs, Ratings(database), people),
        results=Results(pairs, Ratings(database), people),
        training=training,
        cases=load_cases(demo.CASES),
    )
