"""Which proxy a request goes through, from `--proxy` or the environment.

The variables are read here because desktop programs set values that HTTP libraries stop at
(`socks://`, IPv6 addresses and CIDR blocks in NO_PROXY): each is understood or named.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

from apiyi_cli.core.hosts import bare_host, host_in_url, is_loopback, split_url
from apiyi_cli.errors import SetupError
from apiyi_cli.plain_value import PlainValue
from apiyi_cli.text import Text

_SOCKS = ("socks", "socks5", "socks5h")
# Patterns are texts, compiled by `re` when first used: most runs have no proxy.
_HOST = r"[A-Za-z0-9._~:%-]+"
_UNREACHABLE = (
    r"^50[0234]\b|could not connect: (?:General SOCKS server failure|Network unreachable"
    r"|Host unreachable|Connection refused|TTL expired)"
)
_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080}


class Proxy(PlainValue):
    """A proxy's address and, from its URL, user and password.

    `source` is the option or variable that named it.
    """

    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None
    source: str

    @property
    def address(self) -> str:
        """Return the address without its password, for messages."""
        return f"{self.scheme}://{host_in_url(self.host)}:{self.port}"


def proxy_for(
    scheme: str, host: str, explicit: str | None, environ: Mapping[str, str]
) -> Proxy | None:
    """Return the proxy for a request to `host`, None for a direct connection.

    `explicit` (the option) always holds. Of the environment, `<scheme>_proxy` comes before
    `all_proxy` and lower case before upper case, as in curl; loopback hosts and those in
    `no_proxy` are reached directly. Raises SetupError naming the option or variable.
    """
    if explicit:
        return parse_proxy(explicit, "--proxy")
    if is_loopback(host) or _is_excluded(host, environ):
        return None
    for name in (f"{scheme}_proxy", "all_proxy"):
        for variable in (name, name.upper()):
            # HTTP_PROXY in capitals can be set by a web server's client (CGI); curl skips it.
            if variable == "HTTP_PROXY" and "REQUEST_METHOD" in environ:
                continue
            if value := environ.get(variable, "").strip():
                return parse_proxy(value, variable)
    return None


def parse_proxy(value: str, source: str) -> Proxy:
    """Return the proxy of a URL; `host:port` is an http proxy, `socks://` is SOCKS 5."""
    url = value if "://" in value else f"http://{value}"
    parts = split_url(url) or urlsplit("http://")
    scheme = "socks5" if parts.scheme.lower() in _SOCKS else parts.scheme.lower()
    what = Text("cannot use {source}", source=source)
    if scheme not in _DEFAULT_PORTS:
        why = Text("proxies of the kind {scheme}:// are not supported", scheme=parts.scheme)
        hint = Text("use http://, https://, socks5:// or socks5h://")
        raise SetupError(what, why, hint=hint)
    host = parts.hostname or ""
    if not re.fullmatch(_HOST, host):
        hint = Text(
            "set {source} to something like http://127.0.0.1:7890, or unset it", source=source
        )
        raise SetupError(what, Text("its value is not the URL of a proxy"), hint=hint)
    return Proxy(
        scheme,
        host,
        parts.port or _DEFAULT_PORTS[scheme],
        unquote(parts.username) if parts.username else None,
        unquote(parts.password) if parts.password else None,
        source,
    )


def is_host_unreachable(refusal: str) -> bool:
    """Return True if a proxy refused because it cannot reach the requested host.

    `refusal` is httpcore's message: status and reason of a CONNECT (500, 502, 503, 504), or its
    names for the replies 1 and 3 to 6 of SOCKS 5 (RFC 1928). Other refusals are about the proxy
    itself: a password, a rule, an unknown command.
    """
    return bool(re.search(_UNREACHABLE, refusal))


def _is_excluded(host: str, environ: Mapping[str, str]) -> bool:
    """Return True if `no_proxy` covers the host: by name, parent domain, address or block."""
    listed = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    name = bare_host(host)
    entries = (item.lower().rstrip(".") for item in listed.replace(",", " ").split())
    return any(entry == "*" or _matches(entry, name) for entry in entries)


def _matches(entry: str, name: str) -> bool:
    import ipaddress

    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        domain = entry.split("://")[-1].lstrip("*").lstrip(".").rsplit(":", 1)[0]
        return bool(domain) and (name == domain or name.endswith("." + domain))
    if entry.startswith("["):
        inner, _, rest = entry[1:].partition("]")
        entry = inner + rest if rest.startswith("/") else inner
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return entry.rsplit(":", 1)[0] == name
