"""Runs compiled loops, which release the GIL, on as many threads as torch uses.

Threads of our own rather than numba's: those break when a process that used them forks (data loaders do).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import torch


def run_all(function: Callable[..., Any], jobs: Iterable[tuple[Any, ...]]) -> None:
    """Call `function(*job)` for every job; returns when all are done, and raises what a job raised."""
    count = torch.get_num_threads()
    if count == 1:
        for job in jobs:
            function(*job)
        return
    pool = _pool(os.getpid(), count)
    for done in [pool.submit(function, *job) for job in jobs]:
        done.result()


@lru_cache(maxsize=2)
def _pool(process: int, count: int) -> ThreadPoolExecutor:
    """A pool of this process; a forked child's `process` differs, because threads do not survive a fork."""
    return ThreadPoolExecutor(count, thread_name_prefix=f"splat-{process}")
