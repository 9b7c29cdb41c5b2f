"""Whether somebody answered sooner than what was shown can be read. It is told to the lead and blocks nothing."""

FASTEST = 600
"""Words a minute; adults read some 238 of them silently (Brysbaert 2019,
https://doi.org/10.1016/j.jml.2019.104047)."""


def count_words(*texts: str) -> int:
    return sum(len(text.split()) for text in texts)


def hurried(words: int, active_ms: int) -> bool:
    """Whether so many words were read faster than `FASTEST`; not where no time was measured."""
    return 0 < active_ms * FASTEST < words * 60_000


def hurried_words(name: str, count: int, of: int) -> str:
    """What the lead is told of a rater."""
    cases = "case" if of == 1 else "cases"
    faster = f"faster than {FASTEST} words a minute"
    return f"{name} answered {count} of {of} {cases} {faster}. Ask whether they were read."
