"""Hosts and addresses: the only place that knows origin, loopback and public.

Nothing here asks a resolver: a name is judged as it is written, an address by its number.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

NODES: Final = {
    "api": "https://api.apiyi.com/v1",
    "vip": "https://vip.apiyi.com/v1",
    "b": "https://b.apiyi.com/v1",
    "cf": "https://api-cf.apiyi.com/v1",
}
"""The gateway's nodes by the names that its own tool gives them; cf is for short texts alone."""
DEFAULT_PORTS: Final = {"https": 443, "http": 80}

_INNER_NAMES: Final = (".local", ".localhost", ".internal", ".lan", ".home.arpa")
# RFC 6052 and RFC 8215: an IPv4 address in the last 32 bits.
_NAT64_PREFIX: Final = 0x64FF9B << 64
_LOCAL_NAT64_PREFIX: Final = 0x64FF9B0001
# RFC 5214, 6.1: the interface identifiers of ISATAP.
_ISATAP: Final = (0x5EFE, 0x02005EFE)
# The wire server of Azure's machines has a public number and answers inside alone.
_INNER_ADDRESSES: Final = frozenset(("168.63.129.16",))


def split_url(url: str) -> SplitResult | None:
    """Return the parts of a URL, None for a malformed bracket or port."""
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def bare_host(host: str) -> str:
    """Return a host in lower case, without brackets and the root's dot."""
    return host.strip("[]").lower().removesuffix(".")


def host_in_url(host: str) -> str:
    """Return a host as it is written in a URL: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host else host


def origin(url: str) -> str:
    """Return scheme, host and port as one text, equal for the same server (RFC 6454).

    A text that is not a URL has the origin "", which matches no server.
    """
    parts = split_url(url)
    if parts is None or not parts.hostname:
        return ""
    port = parts.port or DEFAULT_PORTS.get(parts.scheme, 0)
    return f"{parts.scheme}://{host_in_url(bare_host(parts.hostname))}:{port}"


def origins(base_urls: Iterable[str]) -> list[str]:
    """Return the distinct origins of the addresses, in order."""
    return list(dict.fromkeys(origin(url) for url in base_urls))


def is_loopback(host: str) -> bool:
    """Return True if a host is this machine by name or address, without lookup."""
    name = bare_host(host)
    if name in ("localhost", "127.0.0.1", "::1") or name.endswith(".localhost"):
        return True
    if not name[:1].isdigit() and ":" not in name:
        return False
    import ipaddress

    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_private_way(url: str) -> bool:
    """Return True if no one can read the traffic: https, or http to this machine."""
    parts = split_url(url)
    if parts is None or not parts.hostname:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname))


def is_inner_name(host: str) -> bool:
    """Return True for names that only a local network resolves (RFC 6762, RFC 8375)."""
    name = bare_host(host)
    return is_loopback(name) or name.endswith(_INNER_NAMES)


def is_public(address: str) -> bool:
    """Return True for a public IP address, also where it embeds another one."""
    import ipaddress

    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    if str(parsed) in _INNER_ADDRESSES:
        return False
    if isinstance(parsed, ipaddress.IPv6Address):
        if any(not is_public(inner) for inner in _unwrap(parsed)):
            return False
        if parsed.ipv4_mapped or _is_nat64(parsed):
            return True
        if parsed.is_site_local:
            return False
    return parsed.is_global and not (parsed.is_multicast or parsed.is_reserved)


def _is_nat64(parsed: Any) -> bool:
    return int(parsed) >> 32 == _NAT64_PREFIX or int(parsed) >> 80 == _LOCAL_NAT64_PREFIX


def _unwrap(parsed: Any) -> list[str]:
    """Return the IPv4 addresses at which a packet to this IPv6 address would end."""
    from ipaddress import IPv4Address

    inner = [parsed.ipv4_mapped, parsed.sixtofour, *(parsed.teredo or ())]
    low = IPv4Address(int(parsed) & 0xFFFFFFFF)
    is_isatap = (int(parsed) >> 32) & 0xFFFFFFFF in _ISATAP
    if is_isatap or _is_nat64(parsed):
        inner.append(low)
    return [str(item) for item in inner if item is not None]
