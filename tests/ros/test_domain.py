import socket

import pytest

from defocus_depth.errors import RosUnavailableError
from defocus_depth.ros import domain


def test_reservations_differ_while_held():
    with domain.reserved_domain() as first, domain.reserved_domain() as second, domain.reserved_domain() as third:
        assert len({first, second, third}) == 3
        assert {first, second, third} <= set(range(1, 100))


def only(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain, "_DOMAINS", range(number, number + 1))


def test_a_domain_is_free_again_after_the_block(monkeypatch: pytest.MonkeyPatch):
    with domain.reserved_domain() as free:
        pass
    only(free, monkeypatch)
    for _ in range(2):
        with domain.reserved_domain() as held:
            assert held == free


def test_a_domain_with_a_participant_is_left_alone(monkeypatch: pytest.MonkeyPatch):
    with domain.reserved_domain() as free:
        pass
    only(free, monkeypatch)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        participant.bind(("", 7400 + 250 * free + 10))
        with pytest.raises(RosUnavailableError, match="expected a free one"), domain.reserved_domain():
            pass
