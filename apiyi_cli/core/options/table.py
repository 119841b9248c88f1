"""All option groups, in the order of the manual. Only what looks at every option imports this."""

from __future__ import annotations

from apiyi_cli.core.options import Group
from apiyi_cli.core.options.batch import BatchOptions
from apiyi_cli.core.options.chat import (
    AnswerForm,
    ChatSampling,
    InteractiveOptions,
    ProtocolOptions,
    Sampling,
    SessionOptions,
    ToolRunOptions,
    Tools,
)
from apiyi_cli.core.options.complete import CompleteOptions
from apiyi_cli.core.options.connection import Connection, Jobs
from apiyi_cli.core.options.embed import EmbedOptions
from apiyi_cli.core.options.image import ImageOptions
from apiyi_cli.core.options.output import Output, RecordOutput
from apiyi_cli.core.options.prompt import Conversation, DraftOptions, Prompt, TextInput
from apiyi_cli.core.options.rank import RankOptions
from apiyi_cli.core.options.request import Model, Models, Request
from apiyi_cli.core.options.respond import RespondOptions
from apiyi_cli.core.options.speak import SpeakOptions
from apiyi_cli.core.options.transcribe import TranscribeOptions
from apiyi_cli.core.options.video import VideoOptions

OPTION_GROUPS: tuple[type[Group], ...] = (
    Model,
    Models,
    Connection,
    Output,
    RecordOutput,
    Request,
    TextInput,
    Prompt,
    DraftOptions,
    Conversation,
    Sampling,
    ChatSampling,
    ProtocolOptions,
    AnswerForm,
    Tools,
    ToolRunOptions,
    SessionOptions,
    InteractiveOptions,
    CompleteOptions,
    RespondOptions,
    EmbedOptions,
    RankOptions,
    Jobs,
    ImageOptions,
    TranscribeOptions,
    SpeakOptions,
    VideoOptions,
    BatchOptions,
)
