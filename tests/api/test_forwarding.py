"""Which address and scheme a request is taken to have come from."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.datastructures import Headers

from loopagent.web.forwarding import believe
from loopagent.web.rate import Rate

PEER = ("10.0.0.1", 1234)


def believed(proxies: int, *headers: tuple[str, str]) -> tuple[str, str]:
    raw = [(name.encode(), value.encode()) for name, value in headers]
    scope: dict[str, Any] = {"client": PEER, "scheme": "http", "headers": raw}
    believe(scope, Headers(raw=raw), proxies)
    return scope["client"][0], scope["scheme"]


@pytest.mark.parametrize(
    ("proxies", "told", "client"),
    [
        (0, "192.0.2.1", "10.0.0.1"),
        (1, "192.0.2.1", "192.0.2.1"),
        (1, "6.6.6.6, 192.0.2.1", "192.0.2.1"),
        (2, "6.6.6.6, 192.0.2.1, 192.0.2.9", "192.0.2.1"),
        (2, "192.0.2.1", "10.0.0.1"),
        (1, "", "10.0.0.1"),
        (1, "unknown", "10.0.0.1"),
        (1, "2001:db8::1", "2001:db8::1"),
        (1, "192.0.2.1,", "10.0.0.1"),
    ],
)
def test_only_what_a_trusted_proxy_wrote_counts(proxies: int, told: str, client: str) -> None:
    assert believed(proxies, ("x-forwarded-for", told))[0] == client


def test_two_lines_are_one_list() -> None:
    lines = (("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "192.0.2.1"))
    assert believed(1, *lines)[0] == "192.0.2.1"


@pytest.mark.parametrize(
    ("proxies", "told", "scheme"),
    [
        (0, "https", "http"),
        (1, "https", "https"),
        (1, "http, https", "https"),
        (2, "https, http", "https"),
        (2, "https", "https"),
        (1, "gopher", "http"),
        (1, "", "http"),
    ],
)
def test_tls_is_what_the_outermost_trusted_proxy_saw(proxies: int, told: str, scheme: str) -> None:
    assert believed(proxies, ("x-forwarded-proto", told))[1] == scheme


def test_a_bounded_number_of_callers_is_remembered() -> None:
    rate = Rate(1, 1, clock=lambda: 0.0)
    for number in range(6000):
        rate.take(str(number))
    assert len(rate._buckets) == 5000
