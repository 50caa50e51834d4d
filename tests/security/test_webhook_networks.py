"""Webhooks reach public addresses and the networks that the operator lists, and never a cloud's metadata."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network

import pytest
from pytest_httpserver import HTTPServer

from connector.app.configuration import SettingsWrong, read_settings
from connector.channels.networks import EVERYWHERE, may_reach
from connector.channels.protocol import Accepted, Address, OutgoingMessage, Rejected
from connector.channels.registry import open_channels
from connector.channels.webhook import WebhookChannel
from connector.settings.application import Settings

METADATA = [
    "169.254.169.254", "169.254.170.2", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::1", "fe80::a9fe:a9fe%eth0", "::ffff:169.254.169.254", "::169.254.169.254", "64:ff9b::169.254.169.254",
    "64:ff9b:1::169.254.169.254", "2002:a9fe:a9fe::1", "2001:0:a9fe:a9fe::1", "::ffff:6464:64c8",
]  # fmt: skip


def message(url: str) -> OutgoingMessage:
    return OutgoingMessage("d-1", "c", "webhook", Address("u"), {"url": url, "method": "POST", "body": "{}"})


@pytest.mark.parametrize("address", METADATA)
def test_metadata_is_never_reached(address: str) -> None:
    """Whatever is allowed, and however the address is wrapped."""
    assert not may_reach(address, EVERYWHERE)


@pytest.mark.parametrize(
    ("address", "allowed", "reached"),
    [
        ("10.1.2.3", "10.1.0.0/16", True),
        ("10.2.0.1", "10.1.0.0/16", False),
        ("127.0.0.1", "10.0.0.0/8", False),
        ("0.0.0.0", "127.0.0.0/8", False),
        ("::ffff:10.1.2.3", "10.1.0.0/16", True),
        ("::ffff:10.2.0.1", "10.1.0.0/16", False),
        ("fd12::1", "fd12::/48", True),
        ("fd13::1", "fd12::/48", False),
        ("64:ff9b::10.1.2.3", "10.1.0.0/16", False),
        ("8.8.8.8", "10.0.0.0/8", True),
    ],
)
def test_only_listed_networks_are_reached(address: str, allowed: str, reached: bool) -> None:
    """A private address must be in a listed network; an IPv4 address that IPv6 maps counts as itself."""
    assert may_reach(address, [ip_network(allowed)]) is reached


async def test_a_real_receiver_in_a_listed_network(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The setting opens exactly the listed network, in every spelling of the address that the resolver understands."""
    httpserver.expect_request("/hook").respond_with_data("", 204)
    monkeypatch.setenv("CONNECTOR_WEBHOOK_NETWORKS", '["127.0.0.0/8"]')
    channel = open_channels(read_settings(), default_console=False)["webhook"]
    assert await channel.send(message(f"http://127.0.0.1:{httpserver.port}/hook")) == Accepted()
    await channel.close()
    monkeypatch.setenv("CONNECTOR_WEBHOOK_NETWORKS", '["10.0.0.0/8"]')
    channel = open_channels(read_settings(), default_console=False)["webhook"]
    for host in ("127.0.0.1", "2130706433", "0x7f.1", "0177.0.0.1", "[::ffff:127.0.0.1]", "localhost", "0.0.0.0"):
        with pytest.raises(Rejected, match=r"webhook_(address_refused|invalid)"):
            await channel.send(message(f"http://{host}:{httpserver.port}/hook"))
    await channel.close()
    assert len(httpserver.log) == 1


async def test_a_redirect_leads_nowhere(httpserver: HTTPServer) -> None:
    """A receiver cannot send the connector on to an address that was not checked."""
    httpserver.expect_request("/hook").respond_with_data("", 302, {"Location": "http://169.254.169.254/latest/"})
    channel = WebhookChannel(timeout=timedelta(seconds=5), networks=[ip_network("127.0.0.0/8")])
    with pytest.raises(Rejected, match="http_302"):
        await channel.send(message(f"http://127.0.0.1:{httpserver.port}/hook"))
    await channel.close()


async def test_a_name_that_changes_its_address_is_asked_once(httpserver: HTTPServer) -> None:
    """DNS rebinding: the connection goes to the address that was checked, not to what the name has a moment later."""
    httpserver.expect_request("/hook").respond_with_data("", 204)
    answers = [["127.0.0.1"], ["127.0.0.2"]]
    asked: list[str] = []

    async def resolve(host: str, _port: int) -> list[str]:
        asked.append(host)
        return answers[len(asked) - 1]

    networks = [ip_network("127.0.0.1/32")]
    channel = WebhookChannel(timeout=timedelta(seconds=5), networks=networks, resolve=resolve)
    url = f"http://rebinding.test:{httpserver.port}/hook"
    assert await channel.send(message(url)) == Accepted()
    assert asked == ["rebinding.test"]
    with pytest.raises(Rejected, match="webhook_address_refused"):
        await channel.send(message(url))
    await channel.close()
    assert len(httpserver.log) == 1


def test_a_bad_network_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network with host bits, or a host that is none, is a fault of the settings."""
    for name, value in (("CONNECTOR_WEBHOOK_NETWORKS", '["10.0.0.1/8"]'), ("CONNECTOR_LINK_HOSTS", '["https://x/"]')):
        monkeypatch.setenv(name, value)
        with pytest.raises(SettingsWrong, match=name):
            read_settings()
        monkeypatch.delenv(name)
    assert Settings().webhook_networks == []
