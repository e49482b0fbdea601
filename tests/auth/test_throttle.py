"""Wrong answers bring pauses."""

from __future__ import annotations

import pytest

from loopagent.auth.throttle import Throttle, network_of
from loopagent.errors import LimitReachedError
from tests.auth.conftest import Clock


def test_each_further_wrong_answer_doubles_the_pause_up_to_a_minute(clock: Clock) -> None:
    throttle = Throttle(clock)
    pauses = []
    for _ in range(14):
        throttle.wrong("client")
        before = clock.now
        while True:
            try:
                throttle.check("client")
                break
            except LimitReachedError:
                clock.now += 1
        pauses.append(int(clock.now - before))
    assert pauses == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


def test_a_bounded_number_of_clients_is_remembered_for_a_while(clock: Clock) -> None:
    throttle = Throttle(clock)
    for number in range(3000):
        throttle.wrong(str(number))
    assert len(throttle._records) == 1000
    clock.now += 901
    throttle.check("2999")
    assert len(throttle._records) == 999


@pytest.mark.parametrize(
    ("client", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("", ""),
        ("a socket", "a socket"),
    ],
)
def test_all_addresses_of_one_ipv6_network_are_one_client(client: str, network: str) -> None:
    assert network_of(client) == network
