"""MedReason: does a fine-tuned model reason better about medicine than the model it came from?"""

import os

# Several computing processes share few cores here (chat, a training run). By default the threads of GNU OpenMP
# spin while they wait for each other, and two processes then slow each other down fifty times and more; a short
# spin costs next to nothing alone. It is read once, when torch is loaded, so it has to be said before.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

__version__ = "0.1.0"
