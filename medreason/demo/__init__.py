"""What comes with the program: curriculum, case deck, practice cases for raters, the ready-made adapter."""

from pathlib import Path

HERE = Path(__file__).parent
CURRICULUM = HERE / "curriculum.jsonl"
CASES = HERE / "cases.jsonl"
PRACTICE = HERE / "practice.jsonl"
ADAPTER = HERE / "adapter"
