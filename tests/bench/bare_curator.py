"""Answer rows with curator, with as many requests at once and no limit of its own."""

import json
import os
import sys

os.environ.update(CURATOR_DISABLE_CACHE="1", TELEMETRY_ENABLED="false")
from bespokelabs import curator

rows, out, jobs = sys.argv[1], sys.argv[2], int(sys.argv[3])
llm = curator.LLM(
    model_name="m",
    backend="openai",
    backend_params={
        "base_url": os.environ["APIYI_BASE_URL"],
        "api_key": os.environ["APIYI_API_KEY"],
        "max_requests_per_minute": 10**7,
        "max_tokens_per_minute": 10**10,
        "max_concurrent_requests": jobs,
    },
)
with open(rows, "rb") as lines:
    read = [json.loads(line) for line in lines]
answers = llm([row["prompt"] for row in read])
with open(out, "w") as file:
    for row, answer in zip(read, answers.dataset, strict=True):
        file.write(json.dumps({"id": row["id"], "text": answer["response"]}) + "\n")
