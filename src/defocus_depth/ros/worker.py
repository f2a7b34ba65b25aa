"""Newest-wins hand-over of frames to a thread of their own, so that heavy work never blocks the executor."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class NewestWinsWorker(Generic[Item]):
    """One slot and one thread: `submit` swaps the slot, the thread takes what is in it when it is free.

    `handle` runs in the thread, one item at a time, and must not raise.
    """

    def __init__(self, handle: Callable[[Item], None], name: str) -> None:
        self._handle = handle
        self._slot: Item | None = None
        self._stopping = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, item: Item) -> bool:
        """Leave an item for the thread; True when it replaced one that was still waiting."""
        with self._changed:
            replaced = self._slot is not None
            self._slot = item
            self._changed.notify()
        return replaced

    def stop(self) -> None:
        """Let the item in work finish, drop the waiting one, and end the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (item := self._take()) is not None:
            self._handle(item)

    def _take(self) -> Item | None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._slot is not None)
            item, self._slot = self._slot, None
            return None if self._stopping else item
