"""How every command of the project refuses a wrong option: one plain sentence and exit code 2."""

import argparse
import sys
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the usage dump."""

    def error(self, message: str) -> NoReturn:
        print(f"{message[0].upper()}{message[1:]}. See --help.", file=sys.stderr)
        sys.exit(2)
