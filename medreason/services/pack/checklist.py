"""Reporting checklists filled in as far as the study's own data answer them, by number of item.

CHART (doi:10.1136/bmjmed-2025-001632) and TRIPOD-LLM (doi:10.1038/s41591-024-03425-5, its table of 19 items). What
a study cannot answer is left to its authors, and said so.
"""

from medreason.domain.pack import PackData
from medreason.services.pack import study_lines as lines
from medreason.services.pack.describing import one_line
from medreason.services.pack.study_lines import OPEN

STATEMENTS = {
    "disclosures": "12a Disclosures",
    "funding": "12b Funding",
    "ethics": "12c Ethics",
    "protocol": "12d Protocol",
    "data_availability": "12e Data availability",
}
OPEN_SCIENCE = {
    "funding": "14a Funding",
    "disclosures": "14b Conflicts of interest",
    "protocol": "14c Protocol",
    "registration": "14d Registration",
    "data_availability": "14e Data availability",
}
REST = (
    "Items 1 to 3b, 5b to 5d, 7b, 9b, 11, 15, 18 and 19a to 19g are for the authors alone. Item 10 is about "
    "summarizing and items 16a to 16d are about data of patients, of which a study here should hold none."
)


def checklist(data: PackData, blind: bool) -> str:
    """Markdown: two tables of item, answer, and where in the pack it is."""
    model = "" if blind else lines.model(data)
    hidden = "not before unblinding" if blind else OPEN
    chart = [
        ("3a, 3b Model identifiers", model or hidden, "generations.jsonl: base_model, base_revision, adapter_id"),
        (
            "4a–4c Model details",
            lines.details(data) if not blind else hidden,
            "generations.jsonl: hashes, precision",
        ),
        ("5a, 5b Prompt engineering", lines.prompt(data), "generations.jsonl: system_prompt, template_sha256"),
        ("6a–6d Query strategy", lines.queries(data), "generations.jsonl: sampling, created_at; cases.csv"),
        ("7a, 7b Performance evaluation", lines.raters(data), "codebook.md (scales); ratings_long.csv"),
        ("8 Sample size", lines.size(data), "study.json: planned_cases"),
        ("9a Data analysis", "written out", "methods.md"),
        (
            "10a–10c Results",
            "not before unblinding" if blind else "tables and figures",
            "evaluation_table.*, figures/",
        ),
        *((name, lines.statement(data, key), "study.json: statements") for key, name in STATEMENTS.items()),
    ]
    shown = hidden if blind else ""
    tripod = [
        ("4 Objectives", one_line(data.study.question) or OPEN, "study.json: question"),
        ("5a Sources of data", lines.sources(data), "cases.csv: source; training: the adapter’s manifest"),
        ("5e Missing data", lines.missing(data), "evaluation_table.*: n_missing, n_not_judgeable"),
        ("6a Name and version of the model", model or hidden, "generations.jsonl"),
        (
            "6b Development, fine-tuning",
            model or hidden,
            "generations.jsonl: adapter_sha256; the adapter’s manifest",
        ),
        (
            "6c How text was generated",
            f"{lines.queries(data)}; {lines.dates(data)}",
            "generations.jsonl: sampling, system_prompt, created_at",
        ),
        (
            "6d Initial and processed output",
            shown or lines.output(data),
            "generations.jsonl: texts, finish_reason",
        ),
        (
            "7a Quality of the output",
            "scores, marks and preferences of raters",
            "codebook.md; cases.csv: reference_answer",
        ),
        ("7c Definition of outcomes", "every row of the table", "codebook.md; methods.md"),
        ("7d Assessors, instructions, agreement", lines.raters(data), "codebook.md (scales); agreement.csv"),
        ("7e Comparison", "the fine-tuned model with the model that it came from", "evaluation_table.*"),
        (
            "8a How text was labeled",
            "scales with anchors; marked passages with kind and severity",
            "codebook.md; spans.csv",
        ),
        ("8b Number of annotators, agreement", lines.several_raters(data), "ratings_long.csv; agreement.csv"),
        ("8c Background of annotators", lines.raters(data), "ratings_long.csv: rater_role, years_practice"),
        ("9a Prompt design", lines.prompt(data), "generations.jsonl: system_prompt, template_sha256"),
        ("12 Compute", shown or lines.time_taken(data), "generations.jsonl: ttft_ms, total_ms"),
        ("13 Ethical approval, consent", lines.ethics(data), "study.json: statements"),
        *((name, lines.statement(data, key), "study.json: statements") for key, name in OPEN_SCIENCE.items()),
        ("14f Code", f"MedReason {one_line(data.study.app_version)}".strip(), "study.json: app_version"),
        ("17 Performance", hidden if blind else "an interval in every row", "evaluation_table.*, figures/"),
        ("(no item) Blinding", lines.blinding(data), "ratings_long.csv: blinded, side; pairs.csv: arm_guess"),
    ]
    return (
        f"# Reporting checklist: {one_line(data.study.title)}\n\nFilled in from the study's data; check every "
        f"line.\n\n"
        f"## CHART\n\n{_table(chart)}\n\n## TRIPOD-LLM\n\n{_table(tripod)}\n\n{REST}\n"
    )


def _table(rows: list[tuple[str, str, str]]) -> str:
    lines = ["| Item | Answer | Where |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| {item} | {answer} | {where} |" for item, answer, where in rows)])
