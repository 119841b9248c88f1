"""Faults 22-30 and 35: the gateway, or something before it, says no."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate

from apiyi_cli.sandbox.scripted_reply import ScriptedReply
from tests.conftest import KEY
from tests.matrix.commands import Command
from tests.matrix.scenes import Fault, Made, Scene, Stage

FAMILIES = "chat embed image models"
BILLED = "chat chat-whole embed image transcribe speak"
PAGE = "<html><head><title>{0} whatever</title></head><body><h1>{0}</h1></body></html>"
NOW_S = 1_800_000_000


def refused(status: int, message: str = "no", *, code: str = "", **how: object) -> Made:
    reply = ScriptedReply.error(status, message, code=code, **how)  # type: ignore[arg-type]
    return lambda command: reply


def page(status: int) -> Made:
    return lambda command: ScriptedReply.text(PAGE.format(status), "text/html", status=status)


def at_first(made: Made, times: int = 1) -> Made:
    """Play a refusal so often, then the right answer."""

    def replies(command: Command) -> Sequence[ScriptedReply]:
        reply = made(command)
        assert isinstance(reply, ScriptedReply)
        return [*[reply] * times, command.well]

    return replies


def waiting(value: str, **more: str) -> Made:
    """Play a 429 that says how long to wait, then the right answer."""
    headers = (("Retry-After", value), *more.items())
    return at_first(refused(429, "slow down", headers=headers))


def bare_429(command: Command) -> ScriptedReply:
    return ScriptedReply(status=429, content_type=None)


def moved(status: int, target: Callable[[Scene], str]) -> Stage:
    """Make the stage on which the gateway sends the command elsewhere."""

    def stage(scene: Scene) -> None:
        location = target(scene)
        scene.script(ScriptedReply(status=status, headers=(("Location", location),)))

    return stage


def elsewhere(scene: Scene) -> str:
    return f"{scene.stranger().origin}/v1{scene.command.path}"


def in_circles(scene: Scene) -> str:
    return f"{scene.gateway.base_url}{scene.command.path}"


def into_a_file(scene: Scene) -> str:
    return "file:///etc/passwd"


def over_plain_http(scene: Scene) -> str:
    return f"http://192.0.2.1/v1{scene.command.path}"


def in_front(status: int) -> Stage:
    """Make the stage on which something before the primary address answers for it."""

    def stage(scene: Scene) -> None:
        from apiyi_cli.sandbox.server import Gateway

        primary = scene.stack.enter_context(Gateway())
        primary.script(*[ScriptedReply.text("bad gateway", "text/html", status=status)] * 2)
        scene.addresses(primary.base_url, scene.gateway.base_url)
        scene.script(scene.command.well)

    return stage


def same_elsewhere(status: int) -> Stage:
    """Make the stage on which the primary refuses for good, and a stranger is the backup."""

    def stage(scene: Scene) -> None:
        scene.addresses(scene.gateway.base_url, scene.stranger().base_url)
        scene.script(ScriptedReply.error(status, "no"))

    return stage


def echoing(command: Command) -> ScriptedReply:
    """Play a refusal that repeats the key, as it is and packed, and in a header."""
    from base64 import b64encode
    from urllib.parse import quote

    packed = b64encode(KEY.encode()).decode()
    told = f"bad key {KEY} ({quote(KEY, safe='')}, {packed}, Bearer {KEY})"
    return ScriptedReply.error(400, told, headers=(("X-Request-Id", KEY), ("X-Echo", KEY)))


STATUSES: tuple[tuple[int, int, str, Mapping[str, int]], ...] = (
    (25, 408, "image transcribe chat models", {"heavy": 8, "else": 5}),
    (24, 409, "chat models", {"else": 5}),
    (24, 425, "image", {"else": 5}),
    (24, 500, "chat", {"else": 5}),
    (24, 502, "embed", {"else": 5}),
    (24, 503, "speak", {"else": 5}),
    (24, 520, "image", {"else": 5}),
    (24, 521, "respond", {"else": 5}),
    (24, 522, "transcribe", {"else": 5}),
    (24, 523, "complete", {"else": 5}),
    (24, 529, "models", {"else": 5}),
    (25, 504, "chat embed image models", {"else": 8}),
    (25, 524, "chat-whole speak", {"else": 8}),
    (27, 402, "chat image", {"else": 7}),
    (28, 404, "models", {"else": 6}),
    (28, 405, "api", {"else": 6}),
    (28, 415, "transcribe", {"else": 6}),
    (28, 422, "embed-one", {"else": 6}),
    (28, 451, "image", {"else": 6}),
    (28, 501, "speak", {"else": 6}),
)

FAULTS = (
    Fault(
        22,
        "429 twice, then well",
        "chat chat-joined embed image models speak",
        0,
        at_first(refused(429, "slow down", headers=(("Retry-After", "0"),)), 2),
        options="--retries 2",
        asked=3,
        said=("retry 2 of 2",),
    ),
    Fault(
        22,
        "429 that says nothing, and no time to wait",
        "chat image",
        5,
        bare_429,
        options="--retries 2 --max-retry-time 1",
        said=("no time for another attempt",),
    ),
    *(
        Fault(
            23,
            f"Retry-After: {value}",
            on,
            0,
            waiting(value),
            options="--retries 1",
            asked=2,
            within_s=20,
        )
        for value, on in (
            ("0", "image"),
            ("0.4", "chat embed"),
            ("-5", "chat"),
            ("NaN", "chat"),
            ("inf", "chat"),
            ("soon", "chat models"),
            (formatdate(0, usegmt=True), "chat"),
        )
    ),
    Fault(
        23,
        "Retry-After a date of a server whose clock is wrong",
        "chat models",
        0,
        waiting(formatdate(NOW_S + 1, usegmt=True), Date=formatdate(NOW_S, usegmt=True)),
        options="--retries 1",
        asked=2,
    ),
    Fault(
        23,
        "Retry-After in a thousand years",
        "chat image models",
        5,
        waiting("1000000000"),
        options="--retries 1",
        said=("1000000000 s",),
    ),
    *(
        Fault(number, f"{status} in JSON", on, code, refused(status))
        for number, status, on, code in STATUSES
    ),
    *(
        Fault(24, f"{status} as a page", "chat image", 5, page(status))
        for status in (502, 520, 529)
    ),
    Fault(
        24,
        "503 once",
        "chat-whole complete transcribe api",
        0,
        at_first(refused(503, "overloaded", headers=(("Retry-After", "0"),))),
        options="--retries 1",
        asked=2,
    ),
    Fault(24, "502 twice, with a backup", "chat image models", 0, stage=in_front(502), options=""),
    Fault(
        24, "400 is the same on the backup", "chat image", 6, stage=same_elsewhere(400), options=""
    ),
    Fault(
        22,
        "429 is the same on the backup",
        "chat embed",
        5,
        stage=same_elsewhere(429),
        options="--retries 0",
    ),
    Fault(
        25,
        "524 once",
        "chat-whole embed transcribe speak models",
        {"heavy": 8, "else": 0},
        at_first(page(524)),
        options="--retries 1",
        asked={"heavy": 1, "else": 2},
    ),
    Fault(
        25,
        "504 once, never to be paid twice",
        "chat embed",
        8,
        at_first(page(504)),
        options="--retries 1 --retry-ambiguous 0",
    ),
    Fault(
        26,
        "401",
        "chat chat-joined embed speak models",
        4,
        refused(401, "invalid token", code="invalid_api_key"),
        options="",
    ),
    Fault(26, "403", "image respond", 4, refused(403, "not in this group"), options=""),
    Fault(
        27,
        "403 for want of quota",
        "chat complete embed image transcribe models",
        7,
        refused(403, "余额不足", code="insufficient_user_quota"),
        options="",
    ),
    Fault(
        27,
        "429 for want of quota",
        "chat-whole image speak",
        7,
        refused(429, "You exceeded your current quota", code="insufficient_quota"),
        options="",
    ),
    Fault(
        27,
        "quota in a 200",
        "chat embed image",
        7,
        refused(200, "quota", code="insufficient_user_quota", billed=False),
        options="",
    ),
    Fault(
        28,
        "context too long",
        "chat embed-one",
        6,
        refused(400, "maximum context length", code="context_length_exceeded"),
        options="",
    ),
    Fault(
        28,
        "refused content",
        "chat image",
        6,
        refused(400, "rejected by our safety system", code="content_policy_violation"),
        options="",
    ),
    Fault(
        28,
        "no channel for a model that is listed",
        "chat image transcribe",
        0,
        at_first(refused(503, "no available channels", code="model_not_found")),
        options="",
        asked=2,
    ),
    *(
        Fault(30, f"{status} to another host", on, 6, stage=moved(status, elsewhere), options="")
        for status, on in (
            (301, "chat models"),
            (302, "chat embed"),
            (303, "image api"),
            (307, "chat transcribe"),
            (308, "chat speak models"),
        )
    ),
    Fault(30, "307 to itself", "chat models", 6, stage=moved(307, in_circles), options=""),
    Fault(30, "302 into a file", "chat api", 6, stage=moved(302, into_a_file), options=""),
    Fault(30, "302 to plain http", "chat image", 6, stage=moved(302, over_plain_http), options=""),
    Fault(
        35,
        "the key in the refusal",
        "chat chat-joined embed-one image speak models api",
        6,
        echoing,
        options="-v",
    ),
)
