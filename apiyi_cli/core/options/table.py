"""All option groups, in the order of the manual. Only what looks at every option imports this."""

from __future__ import annotations

from apiyi_cli.core.options import Group
from apiyi_cli.core.options.batch import Batching
from apiyi_cli.core.options.chat import (
    AnswerForm,
    ChatSampling,
    Interactive,
    ProtocolOptions,
    Running,
    Sampling,
    SessionOptions,
    Tools,
)
from apiyi_cli.core.options.complete import Completing
from apiyi_cli.core.options.connection import Connection, Jobs
from apiyi_cli.core.options.embed import Embedding
from apiyi_cli.core.options.image import Imaging
from apiyi_cli.core.options.output import Output, RecordOutput
from apiyi_cli.core.options.prompt import Conversation, Drafting, Prompt, TextInput
from apiyi_cli.core.options.rank import Ranking
from apiyi_cli.core.options.request import Model, Models, Request
from apiyi_cli.core.options.respond import Responding
from apiyi_cli.core.options.speak import Speaking
from apiyi_cli.core.options.transcribe import Transcribing
from apiyi_cli.core.options.video import Filming

OPTION_GROUPS: tuple[type[Group], ...] = (
    Model,
    Models,
    Connection,
    Output,
    RecordOutput,
    Request,
    TextInput,
    Prompt,
    Drafting,
    Conversation,
    Sampling,
    ChatSampling,
    ProtocolOptions,
    AnswerForm,
    Tools,
    Running,
    SessionOptions,
    Interactive,
    Completing,
    Responding,
    Embedding,
    Ranking,
    Jobs,
    Imaging,
    Transcribing,
    Speaking,
    Filming,
    Batching,
)
