"""Options: URLs, timeouts, retries, number of concurrent requests."""

from __future__ import annotations

from apiyi_cli.core.options import Group, flag

SHORTEST_S = 0.001


class Connection(Group, panel="Connection"):
    """How the gateway is reached, and the timeouts."""

    profile = flag(
        str,
        "Profile of the configuration to use.",
        envvar="APIYI_PROFILE",
        complete="profile",
        config=False,
    )
    base_url = flag(
        str,
        "Address of the API, with its /v1.",
        metavar="URL",
        envvar="APIYI_BASE_URL",
        config=False,
    )
    node = flag(
        str,
        "Node of the gateway: api, vip, b, or cf (short texts only).",
        metavar="NAME",
        choices=("api", "vip", "b", "cf"),
    )
    key_file = flag(str, "File that holds the key (0600).", metavar="PATH", complete="file")
    timeout = flag(
        float,
        "Seconds to wait for headers, then between events.",
        metavar="S",
        low=SHORTEST_S,
        high=86400,
    )
    max_time = flag(
        float,
        "Seconds for the whole run, everything included.",
        metavar="S",
        low=SHORTEST_S,
        high=31536000,
    )
    retries = flag(int, "Attempts after the first one.", low=0, high=100)
    retry_ambiguous = flag(
        int, "Attempts after one that may have been billed (0: never pay twice).", low=0, high=100
    )
    max_retry_time = flag(
        float,
        "Seconds that all attempts and waits may take together.",
        metavar="S",
        low=0,
        high=86400,
    )
    failover = flag(bool, "Try the profile's backup addresses.", negatable=True)
    rpm = flag(
        int,
        "Requests a minute, shared by all processes of the key.",
        low=1,
        high=10_000_000,
        config=False,
    )
    tpm = flag(
        int,
        "Tokens a minute, shared by all processes of the key.",
        low=1,
        high=10_000_000_000,
        config=False,
    )
    limits = flag(bool, "Keep to the key's rate limits.", negatable=True, config=False)
    proxy = flag(str, "Proxy to go through (http, https, socks5, socks5h).", metavar="URL")
    cacert = flag(str, "File of CA certificates to trust.", complete="file")
    header = flag(
        list[str], "Extra request header, 'Name: value' (repeatable).", "-H", metavar="HEADER"
    )


class Jobs(Group, panel="Connection"):
    """How many requests at once."""

    jobs = flag(int, "Requests at once.", "-j", low=1, high=1000)
