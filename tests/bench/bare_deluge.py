"""Answer rows with lm-deluge, with as many requests at once and no limit of its own."""

import json
import os
import sys

from lm_deluge import LLMClient
from lm_deluge.models import register_model

rows, out, jobs = sys.argv[1], sys.argv[2], int(sys.argv[3])
register_model("bench", "m", os.environ["APIYI_BASE_URL"], "APIYI_API_KEY")
client = LLMClient(
    "bench",
    max_requests_per_minute=10**7,
    max_tokens_per_minute=10**10,
    max_concurrent_requests=jobs,
)
with open(rows, "rb") as lines:
    read = [json.loads(line) for line in lines]
answers = client.process_prompts_sync([row["prompt"] for row in read], show_progress=False)
with open(out, "w") as file:
    for row, answer in zip(read, answers, strict=True):
        if answer.completion is None:
            sys.exit(f"{row['id']}: {answer.error_message}")
        file.write(json.dumps({"id": row["id"], "text": answer.completion}) + "\n")
