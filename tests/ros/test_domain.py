import socket

import pytest

from defocus_depth.errors import RosUnavailableError
from defocus_depth.ros import domain


def test_reservations_differ_while_held():
    with domain.reserved_domain() as first, domain.reserved_domain() as second, domain.reserved_domain() as third:
        assert len({first, second, third}) == 3
        assert {first, second, third} <= set(range(1, 100))


def test_a_domain_is_free_again_after_the_block(monkeypatch):
    monkeypatch.setattr(domain, "_DOMAINS", range(98, 99))
    for _ in range(2):
        with domain.reserved_domain() as held:
            assert held == 98


def test_a_domain_with_a_participant_is_left_alone(monkeypatch):
    monkeypatch.setattr(domain, "_DOMAINS", range(97, 98))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as participant:
        participant.bind(("", 7400 + 250 * 97 + 10))
        with pytest.raises(RosUnavailableError, match="expected a free one"), domain.reserved_domain():
            pass
