# Needs Python 3.9 or newer: pip install requests
import base64
import json
import os
import sys
from pathlib import Path

import requests

URL = __URL__
# __FUNCTIONS__


def main() -> None:
    key = os.environ.get("APIYI_API_KEY") or sys.exit("APIYI_API_KEY is not set")
    # __REFUSAL__
    headers = __HEADERS__
    # __BODY__
    with requests.request(
        __METHOD__,
        URL,
        headers=headers,
        # __SENT__
        timeout=(10, __SILENCE__),
        allow_redirects=False,
        stream=True,
    ) as reply:
        reply.encoding = "utf-8"
        if not 200 <= reply.status_code < 300:
            sys.exit(f"HTTP {reply.status_code}: {reply.text}")
        # __ANSWER__


if __name__ == "__main__":
    try:
        main()
    except (requests.RequestException, OSError, ValueError) as error:
        sys.exit(f"{type(error).__name__}: {error}")
