"""`python -m medreason.models FOLDER`: put the embedded model into a data folder, once."""

import os
import sys
from pathlib import Path

from medreason.errors import MedReasonError
from medreason.folder import DataFolder
from medreason.models.embedded import is_prepared, prepare


def main(arguments: list[str]) -> int:
    if len(arguments) != 1:
        print("Usage: python -m medreason.models FOLDER", file=sys.stderr)
        return 2
    os.environ.setdefault("TQDM_DISABLE", "1")  # read when transformers is loaded; one line is enough here
    folder = DataFolder(Path(arguments[0]).resolve())
    try:
        folder.prepare()
        if not is_prepared(folder.embedded_model):
            print("Preparing the embedded model (half a minute, once)", flush=True)
            prepare(folder.embedded_model)
    except MedReasonError as fault:
        print(fault, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
