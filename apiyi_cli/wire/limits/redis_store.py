"""The Redis server of the limits: its script, and the steps that threads send.

Threads do not wait for each other's round trips. The thread that comes first sends all steps that
are waiting, as one pipeline; what comes meanwhile is the next one. So a server far away costs each
request its latency, and never the throughput. Steps run in the order in which they came.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Final

from apiyi_cli.core.digest import sha256
from apiyi_cli.core.hosts import host_in_url, split_url
from apiyi_cli.core.shells import quote_word
from apiyi_cli.errors import SetupError
from apiyi_cli.settings.defaults import Limits
from apiyi_cli.text import Text
from apiyi_cli.wire.limits import rates, windows

REDIS_TIMEOUT_S: Final = 3.0
_CANNOT_SHARE: Final = Text("cannot share the limits between machines")


@dataclass(slots=True)
class Step:
    """One run of the script: its arguments, then its answer or failure.

    `on_answer` gets the answer of a step without a waiting thread.
    """

    words: list[Any]
    is_awaited: bool
    on_answer: Callable[[Any], object] | None = None
    is_done: bool = False
    answer: Any = None
    failure: Exception | None = None


class StepQueue:
    """Sends the waiting steps of all threads together; one thread sends at a time.

    `send` gives each of some steps its answer or its failure.
    """

    def __init__(self, send: Callable[[list[Step]], None]) -> None:
        self._send = send
        self._changed = threading.Condition()
        self._waiting: list[Step] = []
        self._is_sending = False

    def add(self, step: Step) -> None:
        """Queue a step."""
        with self._changed:
            self._waiting.append(step)

    def wait_for(self, step: Step) -> None:
        """Return when a step is done; send the queue if no other thread does."""
        while self._take_turn(step):
            self._send_waiting()
        self.send_rest()

    def send_rest(self) -> None:
        """Send the queue, unless another thread sends or waits for its own step."""
        while self._take_turn(None):
            self._send_waiting()

    def _take_turn(self, step: Step | None) -> bool:
        """Return True if this thread must send now, False if nothing is awaited."""
        with self._changed:
            if step is None:
                is_due = bool(self._waiting) and not any(item.is_awaited for item in self._waiting)
                if self._is_sending or not is_due:
                    return False
            else:
                while self._is_sending and not step.is_done:
                    self._changed.wait()
                if step.is_done:
                    return False
            self._is_sending = True
            return True

    def _send_waiting(self) -> None:
        with self._changed:
            steps, self._waiting = self._waiting, []
        try:
            self._send(steps)
        finally:
            with self._changed:
                for step in steps:
                    step.is_done = True
                self._is_sending = False
                self._changed.notify_all()


class LimitServer:
    """The script in the server, and messages when the server does not answer."""

    def __init__(self, url: str, key: str, limits: Limits, tell: Callable[[str], None]) -> None:
        redis = _package()
        self._kinds = redis.exceptions
        self._failure: type[Exception] = redis.ConnectionError
        self.failures: tuple[type[Exception], ...] = (redis.RedisError, OSError)
        self._has_answered = False
        self.is_missed = False
        self.away_since: float | None = None
        self._tell = tell
        self._wait_s = limits.store_wait_s
        self._shown = without_credentials(url)
        self.client = self._make_client(redis, url)
        lua = files("apiyi_cli.wire.limits").joinpath("limits.lua").read_text("utf-8")
        self._script = self.client.register_script(lua)
        self._queue = StepQueue(self._send)
        self._state = threading.Lock()
        name = sha256(b"apiyi limits\0" + key.encode()).hexdigest()[:32]
        # The braces keep the keys in one slot of a cluster.
        numbers = f"rates-5:{limits.rpm}-{limits.tpm}-{limits.window_s:g}"
        self.numbers = f"{limits.rpm}/{limits.tpm}/{limits.window_s:g}/{limits.concurrency}"
        """A short text of the limits, which differs from those of other limits."""
        kinds = (numbers, "places", "means", "limits", "held")
        self._keys = [f"apiyi:{{{name}}}:{kind}" for kind in kinds]
        self.clear_command = (
            f"redis-cli -u {quote_word(self._shown)} del {quote_word(self._keys[0])}"
        )
        window_s, spacing_s = float(limits.window_s), rates.spacing_s
        times_s = (window_s, rates.burst_s(limits))
        spacings_s = (spacing_s(limits, limits.rpm), spacing_s(limits, limits.tpm))
        counts = (limits.rpm, limits.tpm, windows.BUCKETS_PER_WINDOW, windows.BUCKET_COUNT)
        late_s = (windows.NETWORK * window_s, rates.LATE_SHARE * window_s)
        self._limits = tuple(map(repr, (*times_s, *spacings_s, *counts, *late_s)))

    def _make_client(self, redis: Any, url: str) -> Any:
        try:
            return redis.Redis.from_url(
                url,
                socket_connect_timeout=REDIS_TIMEOUT_S,
                socket_timeout=REDIS_TIMEOUT_S,
                health_check_interval=30,
                decode_responses=True,
                retry=redis.retry.Retry(redis.backoff.NoBackoff(), 1),
            )
        except ValueError as failure:
            raise self.unusable(failure) from None

    def ask(self, step: str, *arguments: str | float) -> Any:
        """Return the answer of a step. Raises one of `failures`."""
        item = Step(self._words(step, arguments), is_awaited=True)
        self._queue.add(item)
        self._queue.wait_for(item)
        if item.failure is not None:
            raise item.failure
        return item.answer

    def post(
        self, step: str, *arguments: str | float, on_answer: Callable[[Any], object] | None = None
    ) -> None:
        """Send a step. A failure is only reported, so that no answer is lost for it.

        While another thread sends, that one sends this as well, without a wait.
        """
        self.add(step, *arguments, on_answer=on_answer)
        self.send_rest()

    def add(
        self, step: str, *arguments: str | float, on_answer: Callable[[Any], object] | None = None
    ) -> None:
        """Queue a step for `send_rest`."""
        self._queue.add(Step(self._words(step, arguments), is_awaited=False, on_answer=on_answer))

    def send_rest(self) -> None:
        """Send the queue, unless another thread does."""
        self._queue.send_rest()

    def _words(self, step: str, arguments: tuple[str | float, ...]) -> list[Any]:
        texts = [item if isinstance(item, str) else repr(item) for item in arguments]
        return [step, *self._limits, *texts]

    def _send(self, steps: list[Step]) -> None:
        """Run steps in one round trip; repeat those for which the script was missing."""
        left = steps
        failure: Exception | None = self._failure("the step was interrupted")
        try:
            for is_known in (True, False):
                with self.client.pipeline(transaction=False) as pipeline:
                    if not is_known:
                        pipeline.script_load(self._script.script)
                    for step in left:
                        count = len(self._keys)
                        pipeline.evalsha(self._script.sha, count, *self._keys, *step.words)
                    answers = pipeline.execute(raise_on_error=False)[-len(left) :]
                for step, answer in zip(left, answers, strict=True):
                    step.failure = answer if isinstance(answer, Exception) else None
                    step.answer = answer
                no_script = self._kinds.NoScriptError
                left = [step for step in left if isinstance(step.failure, no_script)]
                if not left:
                    break
            failure = None
        except self.failures as error:
            failure = error
        finally:
            if failure is not None:
                for step in left:
                    step.failure = failure
        for step in steps:
            if step.failure is not None:
                # Who waits for a step decides what its failure means.
                if not step.is_awaited:
                    self.note_missing(step.failure)
            else:
                self.note_answer()
                if step.on_answer is not None:
                    step.on_answer(step.answer)

    def note_missing(self, failure: Exception) -> None:
        """Report once that the server does not answer, and the longest wait for it."""
        with self._state:
            is_news, self.is_missed = not self.is_missed, True
        if is_news:
            message = Text(
                "the limits' server {shown} does not answer: {reason}; "
                "waiting up to {wait_s} s for it",
                shown=self._shown,
                reason=_reason(failure),
                wait_s=f"{self._wait_s:g}",
            )
            self._tell(message)

    def is_unfit(self, failure: Exception) -> bool:
        """Return True for the refusal of a server that has never been usable.

        A wrong password, a replica or another program stay what they are; a server that has
        answered before may be restarting.
        """
        kinds = self._kinds
        refusals = (kinds.ResponseError, kinds.InvalidResponse, kinds.AuthenticationError)
        passing = (kinds.ClusterDownError, kinds.TryAgainError)
        is_refusal = isinstance(failure, refusals) and not isinstance(failure, passing)
        return is_refusal and not self._has_answered

    def note_answer(self) -> None:
        """Note that the server answers; report it if it was away."""
        self._has_answered = True
        self.away_since = None
        with self._state:
            is_news, self.is_missed = self.is_missed, False
        if is_news:
            self._tell(Text("the limits' server {shown} answers again", shown=self._shown))

    def unusable(self, failure: Exception, *, has_waited: bool = False) -> SetupError:
        """Return the error that ends the run, at its start or after it `has_waited`.

        No hint to continue without the store: one machine that counts alone would take more than
        its share.
        """
        hint = Text("start that Redis server, or correct limits.store; then run it again")
        if has_waited:
            hint = Text(
                "start that Redis server and run it again; "
                "apiyi config set limits.store_wait_s 600 waits longer for it"
            )
        why = Text("{store}: {reason}", store=self._shown, reason=_reason(failure))
        return SetupError(_CANNOT_SHARE, why, hint=hint)


def without_credentials(url: str) -> str:
    """Return the address without its user and password, for messages."""
    if (parts := split_url(url)) is None:
        return "limits.store"
    host = host_in_url(parts.hostname or "")
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{host}{port}{parts.path}"


def _reason(failure: Exception) -> str:
    return str(failure).strip().rstrip(".") or type(failure).__name__


def _package() -> Any:
    try:
        import redis
        import redis.backoff
        import redis.retry
    except ImportError:
        why = Text("limits.store needs the Python package redis")
        raise SetupError(_CANNOT_SHARE, why, hint="pip install 'apiyi-cli[redis]'") from None
    return redis
