"""One zip with everything of a study at one moment. Equal data give equal bytes."""

import hashlib
import io
import json
import zipfile
from dataclasses import asdict

from medreason.domain.arms import ARMS
from medreason.domain.pack import SCHEMA_VERSION, PackData
from medreason.figures import png, svg
from medreason.services.assessing import Assessment
from medreason.services.pack.agreement_table import agreement_table
from medreason.services.pack.checklist import checklist
from medreason.services.pack.describing import codebook, datapackage
from medreason.services.pack.evaluation_files import evaluation_files
from medreason.services.pack.further_table import further_table
from medreason.services.pack.methods import blind_methods, methods
from medreason.services.pack.planted_table import planted_table
from medreason.services.pack.secondary_table import secondary_table
from medreason.services.pack.tables import Table, parquet_bytes, tables
from medreason.services.pack.texts import without_texts
from medreason.services.study_figures import figures

EPOCH = (1980, 1, 1, 0, 0, 0)
THEMES = ("light", "dark")


def pack(made: Assessment, texts: bool = True) -> bytes:
    """The zip. Before unblinding in terms of X and Y, without table and figures of the arms, without key."""
    files = {**pack_files(made, texts), **figure_files(made)}
    sums = "".join(f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    files["SHA256SUMS"] = sums.encode("utf-8")
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as folder:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, EPOCH)
            entry.external_attr = 0o644 << 16
            # A PNG is deflated already.
            kind = zipfile.ZIP_STORED if name.endswith(".png") else zipfile.ZIP_DEFLATED
            folder.writestr(entry, files[name], kind, 6)
    return written.getvalue()


def pack_files(made: Assessment, texts: bool = True) -> dict[str, bytes]:
    """Content by path within the zip, figures and `SHA256SUMS` left out. Before unblinding the data come in terms
    of X and Y; raises `ValueError` where one of them names an arm."""
    blind = not made.data.study.unblinded
    data = made.data if texts else without_texts(made.data)
    named = {row.arm for row in data.ratings} | {row.arm for row in data.generations}
    if blind and named & {str(arm) for arm in ARMS}:
        raise ValueError("a pack before unblinding would name an arm")
    own: tuple[Table, ...] = (*tables(data), agreement_table(made, not blind))
    if not blind:
        own = (*own, further_table(made), secondary_table(made), planted_table(made, texts))
    files = {table.file: table.content() for table in own}
    files |= {f"parquet/{table.name}.parquet": parquet_bytes(table) for table in own}
    files["study.json"] = study_json(data, own, blind, texts)
    files["codebook.md"] = codebook(own, data, blind, texts).encode("utf-8")
    files["datapackage.json"] = datapackage(own, files, data).encode("utf-8")
    files["checklist.md"] = checklist(data, blind).encode("utf-8")
    files["methods.md"] = (blind_methods(data) if blind else methods(made)).encode("utf-8")
    if not blind:
        files |= evaluation_files(made)
    return files


def figure_files(made: Assessment) -> dict[str, bytes]:
    """Every figure as SVG and PNG, light and dark, and all of them in words."""
    drawn = figures(made)
    files = {}
    for figure in drawn:
        for theme in THEMES:
            files[f"figures/{figure.name}_{theme}.svg"] = svg.standalone(figure, theme)
            files[f"figures/{figure.name}_{theme}.png"] = png.png(figure, theme)
    words = "".join(f"{figure.name}: {figure.title}. {figure.alternative}\n" for figure in drawn)
    return {**files, "figures/alternatives.txt": words.encode("utf-8")}


def study_json(data: PackData, own: tuple[Table, ...], blind: bool, texts: bool) -> bytes:
    """The study's facts, how many rows each table holds, and the last moment that the pack knows of."""
    facts = asdict(data.study)
    times = [row.submitted_at for row in data.ratings] + [row.submitted_at for row in data.pairs]
    content = {
        "schema_version": SCHEMA_VERSION,
        **facts,
        "arms": ["X", "Y"] if blind else ["baseline", "finetuned"],
        "texts": texts,
        "rows": {table.file: len(table.rows) for table in own},
        "last_rating_at": max(times, default=""),
    }
    return (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode("utf-8")
