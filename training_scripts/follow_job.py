"""Sends a run to its Ray cluster and follows it until its adapter is here; started by the app, run by run.

The run's folder says where it goes (elsewhere.json). A job that is still known is found again, not sent twice.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from medreason.finetune.attendant import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
