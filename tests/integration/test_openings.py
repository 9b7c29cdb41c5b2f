"""A new store that many open at once is made once."""

import threading

from medreason.storage.database import Database


def test_twelve_processes_worth_of_openings_at_once_agree(place):
    opened, faults = [], []

    def go() -> None:
        try:
            opened.append(Database.open(place))
        except Exception as fault:  # noqa: BLE001
            faults.append(fault)

    threads = [threading.Thread(target=go) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for database in opened:
        database.close()
    assert (len(opened), faults) == (12, [])
    assert [file.name for file in place.parent.iterdir()] == ["medreason.db"]
