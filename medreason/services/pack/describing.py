"""What the tables mean: a codebook for people and a Frictionless data package for programs."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from medreason.domain.instrument import SCALES
from medreason.domain.pack import PackData
from medreason.domain.pack_columns import Column
from medreason.services.pack.tables import Table

TYPES = {"text": "string", "whole": "integer", "number": "number", "yes_no": "boolean", "time": "datetime"}
ITEMS = {
    "harm_extent": "how far following the answer could harm, from none upwards",
    "harm_likelihood": "how likely that harm is, from low upwards",
    "omission": "whether something important is missing: none, minor, major",
    "final_answer_correct": "whether the final answer is right: no, partly, yes; “right” in the table is yes only",
    "trace_consistent": "whether the answer follows from the thinking",
    "none_found": "tick “I looked for invented content and found none”",
    "sub_…": "sub-items of reasoning depth, yes or no",
}
OUTCOME_COLUMNS = (
    "baseline_* and finetuned_*: mean of case means with its 95 % interval, median and quartiles of case means, "
    "share of ratings in the best bin. diff_*: fine-tuned minus baseline. hl_shift: Hodges–Lehmann. wins, ties, "
    "losses: cases. prob_superiority: P(fine-tuned better) + ½ P(tie). rank_biserial: with Pratt's ranks. "
    "percent_exact and percent_within_1: per cent of pairs of ratings. left_side_share: share of comparisons "
    "that the left side won, ties apart. length_adjusted_logodds: log-odds of preferring the fine-tuned answer "
    "at equal length. n_boot, seed: resamples and where they start. Directions and methods are written in the "
    "cells."
)


def codebook(tables: Sequence[Table], data: PackData, blind: bool, texts: bool) -> str:
    """Markdown: every file, every column, every item and every point of the scales."""
    lines = [
        f"# Codebook: {one_line(data.study.title)}",
        "",
        "UTF-8; CSV as in RFC 4180; times in ISO 8601, UTC; an empty cell is “not available”. In CSV and Excel a "
        "text that a spreadsheet could run as a formula (it begins with =, +, -, @, a tab or a line break), or "
        "that begins with ' itself, has one ' in front; take that one away to have the text again. JSONL and "
        "Parquet hold every text as it was written. Raters are known by pseudonym.",
        "",
    ]
    if blind:
        lines += [
            "**Blinded.** The arms are called X and Y in every file; pref_ft and outcome are those of Y. Models, "
            "lengths and times are left out, and so is the key. "
            + ("The texts themselves may tell a model by its manner. " if texts else ""),
            "",
        ]
    if not texts:
        lines += ["**Without texts.** Cases, answers, quotes and comments are left out; their hashes stay.", ""]
    for table in tables:
        lines += [f"## {table.file}", "", "| Column | Kind | Meaning |", "|---|---|---|"]
        lines += [f"| `{column.name}` | {_kind(column)} | {column.meaning} |" for column in table.columns]
        lines.append("")
    lines += ["## Items", "", "| Item | Scale |", "|---|---|"]
    lines += [
        f"| `{axis}` {scale.name} | {'; '.join(f'{n} {words}' for n, words in enumerate(scale.points, 1))} |"
        for axis, scale in SCALES.items()
    ]
    lines += [f"| `{item}` | {meaning} |" for item, meaning in ITEMS.items()]
    if not blind:
        lines += ["", "## evaluation_table.csv", "", OUTCOME_COLUMNS]
    return "\n".join(lines) + "\n"


def datapackage(tables: Sequence[Table], files: Mapping[str, bytes], data: PackData) -> str:
    """The Frictionless description of every table, with its schema, size and hash."""
    content = {
        "profile": "data-package",
        "name": name_of(data.study.study_id),
        "title": data.study.title,
        "resources": [_resource(table, files[table.file]) for table in tables],
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def name_of(text: str) -> str:
    """A name as Frictionless and file systems take it."""
    return "".join(one if one.isascii() and one.isalnum() else "-" for one in text.lower()).strip("-") or "study"


def one_line(text: str) -> str:
    """Somebody's text in a line of Markdown."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _resource(table: Table, content: bytes) -> dict[str, object]:
    return {
        "name": table.name.replace("_", "-"),
        "path": table.file,
        "profile": "data-resource" if table.lines else "tabular-data-resource",
        "format": "jsonl" if table.lines else "csv",
        "mediatype": "application/jsonl" if table.lines else "text/csv",
        "encoding": "utf-8",
        "bytes": len(content),
        "hash": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "schema": {
            "fields": [_field(column) for column in table.columns],
            "missingValues": [""],
            **({"primaryKey": list(table.key)} if table.key else {}),
        },
    }


def _field(column: Column) -> dict[str, object]:
    field: dict[str, object] = {"name": column.name, "type": TYPES.get(column.kind, "object")}
    if column.kind == "time":
        field["format"] = "any"
    if column.kind == "yes_no":
        field |= {"trueValues": ["true"], "falseValues": ["false"]}
    field["description"] = column.meaning
    if column.choices:
        field["constraints"] = {"enum": list(column.choices)}
    return field


def _kind(column: Column) -> str:
    return ", ".join(column.choices) if column.choices else column.kind.replace("_", "/")
