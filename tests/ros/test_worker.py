from __future__ import annotations

import threading

from defocus_depth.ros.worker import NewestWinsWorker


def test_the_newest_item_replaces_the_waiting_one_and_nothing_blocks() -> None:
    handled: list[int] = []
    busy, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def handle(item: int) -> None:
        busy.set()
        go_on.wait(10)
        handled.append(item)
        if item == 4:
            done.set()

    worker = NewestWinsWorker(handle, "test")
    assert not worker.submit(1)
    assert busy.wait(10)
    assert [worker.submit(item) for item in (2, 3, 4)] == [False, True, True]
    go_on.set()
    assert done.wait(10)
    worker.stop()
    assert handled == [1, 4]


def test_stop_finishes_the_item_in_work_and_drops_the_waiting_one() -> None:
    handled: list[int] = []
    busy, go_on = threading.Event(), threading.Event()

    def handle(item: int) -> None:
        busy.set()
        go_on.wait(10)
        handled.append(item)

    worker = NewestWinsWorker(handle, "test")
    worker.submit(1)
    assert busy.wait(10)
    worker.submit(2)
    stopper = threading.Thread(target=worker.stop)
    stopper.start()
    go_on.set()
    stopper.join(10)
    assert not stopper.is_alive() and handled == [1]


def test_an_idle_worker_stops() -> None:
    NewestWinsWorker(lambda item: None, "test").stop()
