"""What comes with the program: the embedded curriculum, the case deck, the ready-made adapter."""

from pathlib import Path

HERE = Path(__file__).parent
CURRICULUM = HERE / "curriculum.jsonl"
CASES = HERE / "cases.jsonl"
ADAPTER = HERE / "adapter"
