"""How long the rest takes is told by what was done, and not before something was."""

from medreason.domain.pace import Pace


def test_the_rest_is_told_at_the_pace_so_far():
    now = [100.0]
    pace = Pace(4, lambda: now[0])
    assert pace.left_s is None and pace.words == ""
    now[0] += 60
    pace.step()
    assert pace.left_s == 180 and pace.words == "about 3 minutes left"
    pace.step()
    pace.step()
    assert pace.words == "less than a minute left"
    pace.step()
    assert pace.left_s is None and pace.words == ""
