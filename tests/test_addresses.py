"""Where a request comes from: the address itself, or what trusted proxies have seen."""

import pytest

from chat.addresses import network, network_of, network_of_socket


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("9.9.9.9", "9.9.9.9"),
        ("::ffff:9.9.9.9", "9.9.9.9"),
        ("2606:4700::1111", "2606:4700::/64"),
        ("2606:4700::1:2:3:4", "2606:4700::/64"),
        ("2606:4700:0:1::1", "2606:4700:0:1::/64"),
        ("127.0.0.1", ""),
        ("::ffff:127.0.0.1", ""),
        ("::ffff:10.1.2.3", ""),
        ("10.1.2.3", ""),
        ("172.17.0.2", ""),
        ("::1", ""),
        ("fd00::1", ""),
        ("fe80::1%eth0", ""),
        ("testclient", ""),
        ("", ""),
    ],
)
def test_a04_only_public_addresses_count_and_an_ipv6_network_counts_as_one(address, network):
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("trusted", "forwarded", "expected"),
    [
        (None, ["8.8.8.8"], "9.9.9.9"),
        (0, ["8.8.8.8"], "9.9.9.9"),
        (1, ["8.8.8.8"], "8.8.8.8"),
        (1, ["1.1.1.1, 8.8.8.8"], "8.8.8.8"),
        (1, ["1.1.1.1", "8.8.8.8"], "8.8.8.8"),
        (2, ["1.1.1.1, 8.8.8.8, 10.0.0.1"], "8.8.8.8"),
        (2, ["8.8.8.8"], "9.9.9.9"),  # it has not passed both
        (1, [], "9.9.9.9"),
        (1, ["8.8.8.8:4711"], "8.8.8.8"),
        (1, ["[2606:4700::1]:4711"], "2606:4700::/64"),
        (1, ["2606:4700::1"], "2606:4700::/64"),
        (1, ["10.1.2.3"], "10.1.2.3"),  # the network of the site's own visitors
        (1, ["unknown"], ""),
        (1, ["1.1.1.1,"], ""),
    ],
)
def test_the_visitors_address_is_so_many_places_from_the_right(settings, trusted, forwarded, expected):
    settings.CHAT = {} if trusted is None else {"TRUSTED_PROXIES": trusted}
    assert network("9.9.9.9", forwarded) == expected
    headers = [(b"host", b"x"), *((b"x-forwarded-for", value.encode()) for value in forwarded)]
    assert network_of_socket(("9.9.9.9", 1), headers) == expected


@pytest.mark.parametrize(("given", "expected"), [({}, ""), ({"TRUSTED_PROXIES": 0}, "10.1.2.3")])
def test_a_private_address_counts_where_the_site_says_what_is_before_it(settings, given, expected):
    settings.CHAT = given
    assert network_of_socket(("10.1.2.3", 1), []) == expected
    assert network_of_socket(None, []) == ""
