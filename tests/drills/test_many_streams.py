"""Fifty readers at once, at full count; the figures are printed."""

from medreason.bench.streams import measure


def test_fifty_answers_at_once_begin_soon_and_arrive_whole_and_apart() -> None:
    rows = {row["id"]: row["value"] for row in measure(streams=50, words=500)}
    print(f"\n{rows}")
    assert rows["streams_lost"] == rows["streams_crossed"] == 0
    assert rows["streams_first_token_p95"] <= 2.0
