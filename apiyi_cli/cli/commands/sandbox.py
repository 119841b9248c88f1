"""`apiyi sandbox`: the offline gateway in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from apiyi_cli.cli.app import single
from apiyi_cli.cli.context import Context
from apiyi_cli.cli.typer_options import spread
from apiyi_cli.errors import OutputError, SetupError, UsageError
from apiyi_cli.text import Text, system_reason

KEY = "sk-sandbox"


def sandbox(
    ctx: Context,
    port: Annotated[
        int, typer.Option("--port", help=Text("Port to listen on (0: any free one)."), metavar="N")
    ] = 0,
    fault: Annotated[
        str | None,
        typer.Option("--fault", help=Text("Play this fault on every request, e.g. 503 or cut@3.")),
    ] = None,
    samples: Annotated[
        Path | None,
        typer.Option(
            "--samples",
            help=Text("Write the files that the examples name into this folder, and exit."),
            metavar="DIR",
        ),
    ] = None,
) -> None:
    """Run the offline gateway in the foreground, until Ctrl-C.

    Prints on stdout the two lines that point another shell at it. As at the gateway,
    requests without a key are refused; here any key will do.
    """
    if samples is not None:
        _write_samples(ctx, samples)
    else:
        _serve(ctx, port, fault)


def _write_samples(ctx: Context, folder: Path) -> None:
    """Write the files and print their paths; existing files stay unchanged."""
    from apiyi_cli.sandbox.sample_files import write_samples

    try:
        for path in write_samples(folder):
            ctx.process.console.write(f"{path}\n".encode("utf-8", "surrogateescape"))
    except OSError as failure:
        raise OutputError(
            Text("cannot write {path}", path=str(failure.filename or folder)),
            system_reason(failure),
        ) from None


def _serve(ctx: Context, port: int, fault: str | None) -> None:
    import signal

    from apiyi_cli.sandbox.answers import ANY_KEY
    from apiyi_cli.sandbox.server import Gateway

    if not 0 <= port <= 65535:
        raise UsageError(
            Text("cannot use --port"), Text("{port} is not between 0 and 65535", port=port)
        )
    try:
        gateway = Gateway(port=port, fault=fault, key=ANY_KEY).start()
    except ValueError as failure:
        raise UsageError(Text("cannot use --fault"), str(failure)) from None
    except OSError as failure:
        raise SetupError(
            Text("cannot listen on port {port}", port=port), system_reason(failure), hint="--port 0"
        ) from None
    ctx.process.on_exit(gateway.close)
    lines = f"export APIYI_BASE_URL={gateway.base_url}\nexport APIYI_API_KEY={KEY}\n"
    ctx.process.console.write(lines.encode())
    ctx.messages.note(Text("the sandbox is running; Ctrl-C ends it"))
    while True:
        signal.pause()


app = single(spread(sandbox))
