"""`Context`: the five parts of a command's run, each made on first use."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from apiyi_cli.cli.gateway.client import GatewayClient
    from apiyi_cli.cli.inputs.prompt import Inputs
    from apiyi_cli.cli.output.answer import AnswerOutput
    from apiyi_cli.cli.process import Process
    from apiyi_cli.cli.settings import CommandSettings


class Context:
    """One run of one command; it has no logic, only its parts."""

    def __init__(self, process: Process, settings: CommandSettings) -> None:
        self.process = process
        self.settings = settings
        self.messages = process.messages

    @cached_property
    def inputs(self) -> Inputs:
        """Return the inputs of the run: stdin, files, `@FILE` values."""
        from apiyi_cli.cli.inputs.prompt import Inputs

        return Inputs(self.process, self.settings)

    @cached_property
    def gateway(self) -> GatewayClient:
        """Return the client of the gateway."""
        from apiyi_cli.cli.gateway.client import GatewayClient

        return GatewayClient(self.process, self.settings)

    @cached_property
    def output(self) -> AnswerOutput:
        """Return the output of the answer: stdout, or the file of `-o`."""
        from apiyi_cli.cli.output.answer import AnswerOutput

        return AnswerOutput(self.process, self.settings.output)
