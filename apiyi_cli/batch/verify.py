"""An output and its journal held against each other, and an output without replaced records."""

from __future__ import annotations

import os
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from apiyi_cli.batch.files import Held, placed_lines, repaired
from apiyi_cli.batch.journal import VERSION, journal_path
from apiyi_cli.batch.opening import holder
from apiyi_cli.batch.past import (
    OK,
    RECORD,
    SEEN_OFFSET_NOTE,
    Past,
    is_entry,
    is_record,
    read_journal,
    read_records,
)
from apiyi_cli.errors import ApiyiError, PartialError, SetupError, UsageError
