"""What follows from several settings together: who reaches the server, and who may do what."""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from alcove.server.settings import (
    Exposure,
    LogLevel,
    Notice,
    Registration,
    Requests,
    Settings,
    SettingsError,
)

_PRIVATE: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"),
        *("fc00::/7", "fe80::/10"),
    )
)


def _exposure_of(host: str) -> Exposure:
    if host == "localhost" or host.endswith(".localhost"):
        return "loopback"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "public"
    if isinstance(address, ipaddress.IPv6Address):
        address = address.ipv4_mapped or address
    if address.is_loopback:
        return "loopback"
    return "private" if any(address in network for network in _PRIVATE) else "public"


def exposure(settings: Settings) -> Exposure:
    """Return who may reach the address that the server listens on, as far as it tells.

    All addresses at once (0.0.0.0, ::) are public, because they may include a public one; so is a
    name other than localhost, because it can mean another address tomorrow.
    """
    return _exposure_of(settings.host)


def is_only_here(url: str) -> bool:
    """Whether an address means only the machine on which it is opened."""
    return _exposure_of(urlsplit(url).hostname or "") == "loopback"


def has_tls(settings: Settings) -> bool:
    """Whether the server itself speaks TLS."""
    return settings.self_signed or bool(settings.tls_cert)


def check_exposure(settings: Settings) -> list[Notice]:
    """Refuse to be reached from outside without TLS, and warn on a private network."""
    where = exposure(settings)
    if has_tls(settings) or settings.behind_proxy or where == "loopback":
        return []
    advice = "tls_cert and tls_key, self_signed, or behind_proxy with a proxy that does TLS"
    if where == "public":
        sentence = f"host {settings.host} may be reached from outside, so the server needs {advice}"
        raise SettingsError("host", f"{sentence}.")
    sentence = f"connections to host {settings.host} can be read by others on that network"
    return [Notice("exposed", f"{sentence}: better use {advice}.")]


def registration(settings: Settings) -> Registration:
    """Return who may register, with the default worked out.

    Open is only for who sits at this machine: a proxy or a public address lets others in.
    """
    if settings.registration:
        return settings.registration
    if settings.server_password:
        return "password"
    url = settings.public_url
    local = not url or is_only_here(url)
    alone = local and not settings.behind_proxy and exposure(settings) == "loopback"
    return "open" if alone else "invite"


def requests_policy(settings: Settings) -> Requests:
    """Return who must be asked before a chat, with the default worked out."""
    return settings.requests or ("strangers" if registration(settings) == "open" else "off")


def log_level(settings: Settings) -> LogLevel:
    """Return the least important kind of line that is logged: with `debug`, all."""
    return "debug" if settings.debug else settings.log_level
