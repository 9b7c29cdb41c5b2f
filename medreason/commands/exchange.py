"""`app.py import-cases`, `table` and `export`: what goes into a study as a file, and what comes out of it."""

import argparse
from pathlib import Path

from medreason.arguments import store_of
from medreason.errors import MedReasonError


def add(commands: argparse._SubParsersAction) -> None:
    cases = commands.add_parser("import-cases", help="put the cases of a file into the draft of a study")
    cases.add_argument("file", type=Path, metavar="FILE", help="CSV or JSONL; only the column text is required")
    cases.add_argument("--study", required=True, metavar="NAME", help="the study; made where there is none")
    cases.add_argument(
        "--identifiers-ok",
        action="store_true",
        help="import although a text seems to identify a patient, because it does not; recorded",
    )
    cases.add_store_options()
    cases.set_defaults(run=_import_cases)
    table = commands.add_parser("table", help="compute the evaluation table from exported files")
    table.add_argument(
        "ratings", type=Path, metavar="RATINGS_LONG.csv", help="one row a rater, case, arm and item"
    )
    for name, what in (("pairs", "pairs.csv"), ("spans", "spans.csv"), ("generations", "generations.jsonl")):
        table.add_argument(f"--{name}", type=Path, metavar="FILE", help=f"{what} of the same pack")
    table.add_argument("--json", type=Path, metavar="FILE", help="write every number to this file")
    table.set_defaults(run=_table)
    export = commands.add_parser("export", help="write everything of a collection of ratings into one zip")
    export.add_argument("collection", metavar="STUDY", help="name of the study; live: the pairs asked in Compare")
    export.add_argument("--out", type=Path, required=True, metavar="PACK.zip", help="file to write")
    export.add_argument(
        "--key", type=Path, metavar="FILE", help="also write which of X and Y is which arm; recorded"
    )
    export.add_argument("--without-texts", action="store_true", help="leave out cases, answers and comments")
    export.add_store_options()
    export.set_defaults(run=_export)


def _import_cases(options: argparse.Namespace) -> int:
    from medreason.assembly import assemble
    from medreason.data.cases import load_cases
    from medreason.services.reading import counted
    from medreason.services.typed import LikelyIdentifiers

    load_cases(options.file)  # refused before a data folder is made
    settings = store_of(options)
    settings.folder.prepare()
    services = assemble(settings)
    lead = services.people.operator()
    try:
        study = services.studies.import_cases(lead, options.file, options.study, options.identifiers_ok)
    except LikelyIdentifiers as fault:
        raise MedReasonError(f"{fault} Give --identifiers-ok to do that.") from fault
    controls = len(study.plan.cases) - len(study.plan.study_cases)
    print(
        f"The draft {study.name} holds {counted(len(study.plan.study_cases), 'case')} to rate and "
        f"{counted(controls, 'control case')}. Its lead completes and opens it in the app."
    )
    return 0


def _table(options: argparse.Namespace) -> int:
    from medreason.services.readable import as_text
    from medreason.services.tabulating import tabulate, write

    made = tabulate(options.ratings, options.pairs, options.spans, options.generations)
    if options.json:
        write(options.json, made.as_json())
    print(as_text(made.readable), end="")
    return 0


def _export(options: argparse.Namespace) -> int:
    from medreason.assembly import assemble
    from medreason.services.exporting import export, export_key, refuse_together

    if options.key:
        refuse_together(options.out, options.key)
    settings = store_of(options)
    if not settings.database_url and not settings.folder.database.is_file():
        raise MedReasonError(f"There are no ratings in {settings.folder.root}. Name the folder with --data-dir.")
    services = assemble(settings)
    admin = services.people.operator()
    if options.key:
        said = export_key(services.results, admin, options.collection, options.key)
        print(f"Wrote {options.key}: {said}")
    written = export(services.results, admin, options.collection, options.out, not options.without_texts)
    print(f"Wrote {options.out}: {written}")
    return 0
