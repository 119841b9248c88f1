# [base64]
def base64_of(path: str) -> str:
    return base64.b64encode(Path(path).read_bytes()).decode()

# [text]
def text_of(path: str) -> str:
    return Path(path).read_bytes().decode()

# [parse]
def parsed(reply: requests.Response, field: str):
    try:
        answer = reply.json()
    except ValueError:
        sys.exit(f"not JSON: {reply.text}")
    if not isinstance(answer, dict) or answer.get(field) in (None, []):
        sys.exit(f"no {field} in the answer: {reply.text}")
    return answer[field]

# [image]
def image_bytes(item: dict) -> bytes:
    if item.get("b64_json"):
        return base64.b64decode(item["b64_json"].split(",")[-1])
    # The link is not the gateway's: the key stays here.
    found = requests.get(item["url"], timeout=(10, 120))
    found.raise_for_status()
    return found.content

# [events]
def events(reply: requests.Response):
    kind = reply.headers.get("Content-Type", "")
    if "json" in kind or "html" in kind:
        sys.exit(f"not a stream: {reply.text}")
    for line in reply.iter_lines():
        if not line.startswith(b"data:"):
            continue
        data = line[5:].strip()
        if data == b"[DONE]":
            return
        event = json.loads(data or b"null")
        if event is None:
            continue
        if event.get("error") or event.get("type") == "response.failed":
            sys.exit(f"the stream reports an error: {data.decode()}")
        yield event
