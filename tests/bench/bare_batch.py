import os
import sys
import threading
from queue import SimpleQueue

import httpx
import orjson

rows, out, jobs = sys.argv[1], sys.argv[2], int(sys.argv[3])
url = os.environ["APIYI_BASE_URL"] + "/chat/completions"
headers = {"Authorization": "Bearer " + os.environ["APIYI_API_KEY"]}
todo: SimpleQueue[dict[str, str] | None] = SimpleQueue()
lock = threading.Lock()


def work(file: object) -> None:
    # Certificates would be loaded for nothing, once for each of the clients.
    with httpx.Client(headers=headers, timeout=60, verify=False, trust_env=False) as client:
        while (row := todo.get()) is not None:
            messages = [{"role": "user", "content": row["prompt"]}]
            reply = client.post(url, json={"model": "m", "messages": messages})
            record = orjson.dumps({"id": row["id"], "body": orjson.loads(reply.content)})
            with lock:
                file.write(record + b"\n")  # type: ignore[attr-defined]


with open(rows, "rb") as lines, open(out, "wb") as file:
    threads = [threading.Thread(target=work, args=(file,)) for _ in range(jobs)]
    for thread in threads:
        thread.start()
    for line in lines:
        todo.put(orjson.loads(line))
    for _ in threads:
        todo.put(None)
    for thread in threads:
        thread.join()
