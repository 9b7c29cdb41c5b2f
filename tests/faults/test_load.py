"""A tenth of the load drills: raters save while answers stream; nothing is lost, nothing refused."""

from tests.load_drills import under_load


def test_raters_save_beside_streams_and_each_save_is_there_once(tmp_path):
    load = under_load(tmp_path, raters=5, streams=2, seconds=6, every_s=1)
    found = load.figures()
    assert found["saves"] == 30 and found["streams"] >= 2 and found["words_lost"] == 0
