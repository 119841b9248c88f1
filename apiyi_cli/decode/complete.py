"""Answers to legacy completions → events, streamed or not.

`choices` is the number of prompts times `n`: the server numbers them all in one row, and their
pieces come interleaved. A choice says `text` where one of a chat says `delta`; all else, the proof
of completeness included, is as in a chat.
"""

from __future__ import annotations

from apiyi_cli.decode.chat import events as events
