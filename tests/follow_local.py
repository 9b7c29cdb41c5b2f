"""`training_scripts/follow_job.py` with a cluster of this computer, whose folder is the address's last part."""

import argparse
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from medreason.finetune import attendant, parcel, process
from medreason.finetune.place import read_place
from tests.local_cluster import LocalCluster

asked = argparse.ArgumentParser()
asked.add_argument("--output-dir", type=Path, required=True)
asked.add_argument("--run-token", required=True)
given = asked.parse_args()
run: Path = given.output_dir
place = read_place(run)
assert place is not None
root = Path(place.cluster.data_dir).parent
heard: list[int] = []
signal.signal(signal.SIGTERM, lambda *_: heard.append(1))
parcel.CHECKOUT, parcel.LOOK_EVERY_S = root / "checkout", 0.05
attendant.SILENT_WORDS_S, attendant.STOPPING_FOR_S, attendant.STARTING_FOR_S = 0.3, 1.0, 1.0
attendant.SILENT_FOR_S = 3.0 if (root / "impatient").exists() else 3600.0
one = attendant.Attendant(
    run,
    lambda: LocalCluster(root / "cluster"),
    attendant.mark_of(run, given.run_token),
    lambda: process.read_stop(run) or (process.StopRequest() if heard else None),
    look_every_s=0.05,
)
sys.exit(one.attend())
