"""A deferred module is loaded by its first use, whoever uses it."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys, threading
from apiyi_cli.deferred import DeferredModule, defer_modules, defer_package
defer_modules("colorsys", "sys", "bisect")
import colorsys
assert type(sys.modules["colorsys"]) is DeferredModule and type(sys) is not DeferredModule
results = []
use = lambda: results.append(colorsys.rgb_to_hsv(1, 0, 0))
threads = [threading.Thread(target=use) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert results == [(0.0, 1.0, 1)] * 8
assert type(sys.modules["colorsys"]) is not DeferredModule
colorsys.ONE_THIRD = 7
assert sys.modules["colorsys"].ONE_THIRD == 7
from bisect import insort
assert type(sys.modules["bisect"]) is not DeferredModule
defer_modules("token", "stringprep")
from token import *
from stringprep import *
assert ENCODING == sys.modules["token"].ENCODING and in_table_a1("\u0221")
defer_package("wsgiref")
from wsgiref.headers import Headers
assert type(sys.modules["wsgiref"]) is DeferredModule and "wsgiref.simple_server" not in sys.modules
assert not hasattr(sys.modules["wsgiref"], "absent")
"""
NAMES = """
import sys
from apiyi_cli.deferred import DeferredModule, defer_module, defer_names
defer_module("colorsys", ONE_SIXTH=6)
from colorsys import ONE_SIXTH
assert ONE_SIXTH == 6 and type(sys.modules["colorsys"]) is DeferredModule
with defer_names({"bisect": ("insort",)}):
    from bisect import insort
    assert type(sys.modules["bisect"]) is DeferredModule
numbers = [1, 3]
insort(numbers, 2)
assert numbers == [1, 2, 3] and type(sys.modules["bisect"]) is not DeferredModule
with defer_names({"calendar": ("isleap",)}):
    import calendar
assert calendar.isleap is sys.modules["calendar"].isleap is not None
with defer_names({"bisect": ("insort",)}):
    from bisect import insort as real
assert real is sys.modules["bisect"].insort
"""
LOGGING = """
import sys
from apiyi_cli.deferred import DeferredModule, defer_logging
defer_logging()
import logging
quiet = logging.getLogger("library.part")
assert not quiet.isEnabledFor(logging.DEBUG) and quiet.isEnabledFor(30)
assert quiet.name == "library.part" and type(sys.modules["logging"]) is DeferredModule
import logging.handlers
import logging as real
assert real.handlers and type(real) is not DeferredModule
real.basicConfig(level=real.DEBUG, stream=sys.stdout)
assert quiet.isEnabledFor(10)
quiet.debug("seen %s", 1)
quiet.propagate = False
assert real.getLogger("library.part").propagate is False
assert logging.getLogger().handlers == real.getLogger().handlers != []
"""
ENGINE = """
import sys
from apiyi_cli.wire.http.engine import httpcore
httpcore.ConnectionPool, httpcore.ReadError
assert not {"httpcore._async", "socksio", "httpcore._sync.http_proxy"} & set(sys.modules)
proxy = httpcore.SOCKSProxy
import httpcore as whole
assert whole.SOCKSProxy is proxy and whole.ConnectionPool is httpcore.ConnectionPool
assert whole.ReadError is httpcore.ReadError and "socksio" in sys.modules
assert httpcore.AsyncConnectionPool is whole.AsyncConnectionPool
"""
THREADS = """
import sys, threading
sys.setswitchinterval(1e-6)
from apiyi_cli.wire.http.engine import httpcore
failures = []
def use():
    try:
        for _ in range(3000):
            vars(httpcore).clear()
            httpcore.ConnectionPool, httpcore.ReadError
    except Exception as failure:
        failures.append(repr(failure))
threads = [threading.Thread(target=use) for _ in range(6)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert not failures, failures
"""


_IDS = ["deferred", "names", "logging", "engine", "threads"]


@pytest.mark.parametrize("script", [SCRIPT, NAMES, LOGGING, ENGINE, THREADS], ids=_IDS)
def test_a_deferred_module_is_the_real_one_when_it_is_used(script: str) -> None:
    subprocess.run([sys.executable, "-c", script], check=True)
