# [base64]
def base64_of(path: str) -> str:
    return base64.b64encode(Path(path).read_bytes()).decode()

# [text]
def text_of(path: str) -> str:
    return Path(path).read_bytes().decode()
