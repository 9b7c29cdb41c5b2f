"""The garbage collector of a process that serves. It holds up every thread while it looks through all objects
there are: a third of a second for sixty open pages on a fast computer, seconds on a slow one.
"""

import gc

# Most of what an answer or a save makes is gone after some thousand objects more; what is looked through earlier
# is taken for something that stays, and soon all that stays is looked through again.
RARELY = (10_000, 10, 10)


def settle() -> None:
    """Leave all that is there now out of every later look: the program and its pages stay to the end. Called once
    the pages answer, and again once the model is loaded."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*RARELY)
