"""An answer as the columns that every table of answers shares; the texts stand in columns of each table's own."""

from dataclasses import asdict

from sqlalchemy import Row

from medreason.domain.answers import Answer, Counts, Finish, Timings


def columns_of(answer: Answer) -> dict[str, object]:
    """How it ended, what it counts, how long it took."""
    return {
        "finish": str(answer.finish),
        "fault": answer.fault,
        "thought": answer.thought,
        "closed": answer.closed,
        **asdict(answer.counts),
        **asdict(answer.timings),
    }


def answer_of(row: Row, thinking: str, text: str) -> Answer:
    """The answer with these columns and texts."""
    return Answer(
        thinking=thinking,
        text=text,
        finish=Finish(row.finish),
        fault=row.fault,
        thought=row.thought,
        closed=row.closed,
        counts=Counts(row.prompt_tokens, row.thinking_tokens, row.answer_tokens),
        timings=Timings(row.first_token_s, row.thinking_s, row.total_s),
    )
