"""A sandbox takes a subnet that nobody else has."""

from __future__ import annotations

import json
from ipaddress import IPv4Network

import pytest
from hostsmith.errors import SandboxError
from hostsmith.sandbox.network import Network, choose_subnet, networks_in


def test_the_first_subnet_that_overlaps_nothing() -> None:
    taken = [IPv4Network("10.77.0.0/24"), IPv4Network("10.77.1.128/25"), IPv4Network("192.0.2.0/24")]
    assert choose_subnet(taken) == IPv4Network("10.77.2.0/24")


def test_a_vpn_over_a_whole_range_moves_the_sandbox_to_another() -> None:
    assert choose_subnet([IPv4Network("10.0.0.0/8")]) == IPv4Network("172.29.0.0/24")


def test_no_free_subnet_says_so() -> None:
    with pytest.raises(SandboxError, match="no free /24 subnet"):
        choose_subnet([IPv4Network("0.0.0.0/1"), IPv4Network("128.0.0.0/1")])


def test_routes_and_addresses_both_count_and_the_default_route_does_not() -> None:
    routes = [{"dst": "default"}, {"dst": "10.8.0.0/24"}, {"dst": "10.9.0.1"}, {"dst": "fe80::/64"}, {"dst": "1::"}]
    addresses = [{"addr_info": [{"local": "192.0.2.2", "prefixlen": 24}]}, {}]
    assert networks_in(json.dumps(routes), json.dumps(addresses)) == [
        IPv4Network("10.8.0.0/24"),
        IPv4Network("10.9.0.1/32"),
        IPv4Network("192.0.2.0/24"),
    ]
    assert networks_in("", "") == []


def test_addresses_are_used_again_and_run_out() -> None:
    network = Network("0123abcd", IPv4Network("10.77.3.0/24"))
    assert network.gateway == "10.77.3.1"
    assert network.free_address(["10.77.3.2", "10.77.3.4"]) == "10.77.3.3"
    with pytest.raises(SandboxError, match="all addresses of 10.77.3.0/24 are taken"):
        network.free_address(f"10.77.3.{octet}" for octet in range(2, 255))
