"""A ROS domain of one's own, so that demos and tests on one machine do not hear each other."""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..errors import RosUnavailableError

_DOMAINS = range(1, 100)  # beyond 101 a domain's ports reach Linux's ephemeral range
_BASE_PORT, _PORTS_PER_DOMAIN, _UNICAST_OFFSET = 7400, 250, 10  # DDSI-RTPS 2.3, section 9.6.1


@contextlib.contextmanager
def reserved_domain() -> Iterator[int]:
    """A ROS_DOMAIN_ID (1..99) that nobody on this machine uses, kept until the block ends.

    A file lock keeps other reservations away; a look at the domain's first port, everybody else's participants.

    Raises:
        RosUnavailableError: all domains are taken.
    """
    locks = Path(tempfile.gettempdir()) / f"defocus_depth_domains_{os.getuid()}"
    locks.mkdir(exist_ok=True)
    for domain in random.SystemRandom().sample(_DOMAINS, len(_DOMAINS)):
        with (locks / str(domain)).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if _is_silent(domain):
                yield domain
                return
    raise RosUnavailableError(f"ROS domain: expected a free one in 1..{_DOMAINS[-1]}, found all of them in use")


def _is_silent(domain: int) -> bool:
    """Whether the port of the domain's first participant is free."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("", _BASE_PORT + _PORTS_PER_DOMAIN * domain + _UNICAST_OFFSET))
        except OSError:
            return False
    return True
