# Needs Python 3.9 or newer: pip install --upgrade openai
import base64
import json
import os
import sys
from pathlib import Path
from urllib.request import urlopen

from openai import APIStatusError, HttpxBinaryResponseContent, Omit, OpenAI, OpenAIError, Stream
from openai.types import CreateEmbeddingResponse, ImagesResponse
# __FUNCTIONS__


def main() -> None:
    key = os.environ.get("APIYI_API_KEY") or sys.exit("APIYI_API_KEY is not set")
    client = OpenAI(
        api_key=key,
        base_url=__BASE_URL__,
        timeout=__TIMEOUT__,
        max_retries=__RETRIES__,
    )
    # __REFUSAL__
    # __ANSWER__


if __name__ == "__main__":
    try:
        main()
    except APIStatusError as error:
        sys.exit(f"HTTP {error.status_code}: {error.response.text}")
    except (OpenAIError, OSError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
