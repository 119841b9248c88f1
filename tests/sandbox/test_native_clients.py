"""The official clients of Anthropic and Google against the sandbox."""

from __future__ import annotations

from typing import Any

from apiyi_cli.sandbox.server import Gateway

KEY = "sk-of-the-test"


def test_the_anthropic_client_reads_messages_and_streams() -> None:
    # Here, because every worker collects the file and one runs its tests.
    import anthropic

    question: Any = [{"role": "user", "content": "hi"}]
    thinking: Any = {"type": "adaptive", "display": "summarized"}
    with (
        Gateway(key=KEY) as gateway,
        anthropic.Anthropic(base_url=gateway.origin, api_key=KEY, max_retries=0) as client,
    ):
        fields: Any = {
            "model": "claude-opus-5",
            "max_tokens": 2048,
            "messages": question,
            "thinking": thinking,
        }
        message = client.messages.create(**fields)
        with client.messages.stream(**fields) as stream:
            streamed = stream.get_final_message()
    assert [block.type for block in message.content] == ["thinking", "text"]
    assert [block.type for block in streamed.content] == ["thinking", "text"]
    texts = [made.content[-1].text for made in (message, streamed)]  # type: ignore[union-attr]
    assert texts == ["[sandbox] You said: hi"] * 2
    assert message.stop_reason == streamed.stop_reason == "end_turn"
    assert message.usage.output_tokens > 0


def test_the_google_client_reads_responses_and_streams() -> None:
    from google import genai

    with Gateway(key=KEY) as gateway:
        options: Any = {"base_url": gateway.origin, "api_version": "v1beta"}
        client = genai.Client(api_key=KEY, http_options=options)
        asked: Any = {"model": "gemini-3.6-flash", "contents": "hi"}
        whole = client.models.generate_content(**asked)
        texts = [piece.text or "" for piece in client.models.generate_content_stream(**asked)]
    assert whole.text == "".join(texts) == "[sandbox] You said: hi"
    assert whole.usage_metadata is not None and whole.usage_metadata.total_token_count
