"""A Call as a PHP program on the curl extension."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Any

from apiyi_cli.core.call import Call
from apiyi_cli.export.blocks import Blocks
from apiyi_cli.export.outline import Field, FilePiece, Outline, blob_text, outline
from apiyi_cli.export.program import Program
from apiyi_cli.export.quote import Notation, fill, layout, php
from apiyi_cli.text import Text

_PROGRAM = """\
<?php

// Needs PHP 8.1 or newer with the curl extension.

declare(strict_types=1);

const URL = «url»;

function fail(string $message): never
{
    fwrite(STDERR, $message . "\\n");
    exit(1);
}
«functions»

$key = getenv('APIYI_API_KEY') ?: fail('APIYI_API_KEY is not set');
«refusal»
«body»
«before»
$answer = '';
$handle = curl_init(URL);
curl_setopt_array($handle, [
    «options»
]);
if (curl_exec($handle) === false) {
    fail(curl_error($handle));
}
$status = curl_getinfo($handle, CURLINFO_RESPONSE_CODE);
if ($status < 200 || $status > 299) {
    fail("HTTP $status: $answer");
}
«shown»
"""

_BASE64 = """
function base64Of(string $path): string
{
    return base64_encode(@file_get_contents($path) ?: fail("cannot read $path"));
}
"""

_TEXT = """
function textOf(string $path): string
{
    return @file_get_contents($path) ?: fail("cannot read $path");
}
"""

_PARSED = """
function parsed(string $answer, string $field): mixed
{
    $value = json_decode($answer, true);
    if (!is_array($value)) {
        fail("not JSON: $answer");
    }
    $found = $value[$field] ?? [];
    return $found === [] ? fail("no $field in the answer: $answer") : $found;
}
"""

_SAVED = """
function imageBytes(array $item): string
{
    if (($item['b64_json'] ?? '') !== '') {
        $parts = explode(',', $item['b64_json']);
        return base64_decode(end($parts));
    }
    // The link is not the gateway's: the key stays here.
    $handle = curl_init($item['url'] ?? fail('an image without data'));
    curl_setopt_array($handle, [
        CURLOPT_PROTOCOLS => CURLPROTO_HTTPS | CURLPROTO_HTTP,
        CURLOPT_FAILONERROR => true,
        CURLOPT_TIMEOUT => 120,
        CURLOPT_RETURNTRANSFER => true,
    ]);
    $image = curl_exec($handle);
    return $image === false ? fail(curl_error($handle)) : $image;
}
"""

_MULTIPART = """
/** A form with two fields of one name, which an array for CURLOPT_POSTFIELDS cannot hold. */
function multipart(array $fields, string $boundary): string
{
    $body = '';
    foreach ($fields as [$name, $content, $filename, $type]) {
        $body .= "--$boundary\\r\\nContent-Disposition: form-data; name=\\"$name\\"";
        if ($filename !== null) {
            $quoted = str_replace(['"', "\\r", "\\n"], ['%22', '%0D', '%0A'], $filename);
            $body .= "; filename=\\"$quoted\\"\\r\\nContent-Type: $type";
        }
        $body .= "\\r\\n\\r\\n$content\\r\\n";
    }
    return "$body--$boundary--\\r\\n";
}
"""

_EVENTS = """
/** Takes the complete lines off $rest, which may end inside a line, and yields their events. */
function events(string &$rest): Generator
{
    while (($end = strpos($rest, "\\n")) !== false) {
        $line = substr($rest, 0, $end);
        $rest = substr($rest, $end + 1);
        $event = str_starts_with($line, 'data:') ? json_decode(substr($line, 5), true) : null;
        if (is_array($event)) {
            yield $event;
        }
    }
}
"""

_READ = """\
$rest = '';
$finished = false;
$failed = false;
$read = function ($handle, string $chunk) use (&$answer, &$rest, &$finished, &$failed): int {
    $answer .= $chunk;
    $rest .= $chunk;
    foreach (events($rest) as $event) {
        $failed = $failed || isset($event['error']) || ($event['type'] ?? '') === 'response.failed';
        «delta»
    }
    return strlen($chunk);
};
"""

_STREAM = """\
echo "\\n";
if ($failed) {
    fail("the stream reports an error: $answer");
}
if (!$finished) {
    fail(str_contains($answer, 'data:') ? 'the stream was cut' : "not a stream: $answer");
}"""

_DELTAS = {
    "chat": """\
foreach ($event['choices'] ?? [] as $choice) {
    echo $choice['delta']['content'] ?? '';
    «calls»
    $finished = $finished || ($choice['finish_reason'] ?? '') !== '';
}""",
    "complete": """\
foreach ($event['choices'] ?? [] as $choice) {
    echo $choice['text'] ?? '';
    $finished = $finished || ($choice['finish_reason'] ?? '') !== '';
}""",
    "respond": """\
if (($event['type'] ?? '') === 'response.output_text.delta') {
    echo $event['delta'];
}
«calls»
$ends = ['response.completed', 'response.incomplete'];
$finished = $finished || in_array($event['type'] ?? '', $ends, true);""",
    "transcribe": """\
if (($event['type'] ?? '') === 'transcript.text.delta') {
    echo $event['delta'];
}
$finished = $finished || ($event['type'] ?? '') === 'transcript.text.done';""",
}

_CALL_DELTAS = {
    "chat": """\
foreach ($choice['delta']['tool_calls'] ?? [] as $call) {
    if (($call['function']['name'] ?? '') !== '') {
        echo "\\n{$call['function']['name']} ";
    }
    echo $call['function']['arguments'] ?? '';
}""",
    "respond": """\
$item = $event['item'] ?? [];
if ($event['type'] === 'response.output_item.done' && $item['type'] === 'function_call') {
    echo "\\n{$item['name']} {$item['arguments']}\\n";
}""",
}

_ANSWERS = {
    "chat": """\
foreach (parsed($answer, 'choices') as $choice) {
    if (($choice['message']['content'] ?? '') !== '') {
        echo $choice['message']['content'], "\\n";
    }
    «calls»
}""",
    "complete": """\
foreach (parsed($answer, 'choices') as $choice) {
    echo $choice['text'], "\\n";
}""",
    "respond": """\
foreach (parsed($answer, 'output') as $item) {
    foreach ($item['content'] ?? [] as $part) {
        if ($part['type'] === 'output_text') {
            echo $part['text'], "\\n";
        }
    }
    «calls»
}""",
    "embed": """\
foreach (parsed($answer, 'data') as $item) {
    echo json_encode($item['embedding']), "\\n";
}""",
    "image": """\
foreach (parsed($answer, 'data') as $index => $item) {
    $name = 'image-' . ($index + 1) . '.«suffix»';
    file_put_contents($name, imageBytes($item)) !== false || fail("cannot write $name");
    echo $name, "\\n";
}""",
    "transcribe": """\
echo parsed($answer, 'text'), "\\n";""",
    "speak": """\
if (preg_match('~json|^text/~', curl_getinfo($handle, CURLINFO_CONTENT_TYPE) ?? '')) {
    fail("not a recording: $answer");
}
file_put_contents('speech.«suffix»', $answer) !== false || fail('cannot write speech.«suffix»');
echo "speech.«suffix»\\n";""",
    "models": """\
foreach (parsed($answer, 'data') as $item) {
    echo $item['id'], "\\n";
}""",
    "other": """\
echo $answer;""",
}

_CALLS = {
    "chat": """\
foreach ($choice['message']['tool_calls'] ?? [] as $call) {
    echo $call['function']['name'], ' ', $call['function']['arguments'], "\\n";
}""",
    "respond": """\
if ($item['type'] === 'function_call') {
    echo $item['name'], ' ', $item['arguments'], "\\n";
}""",
}

_REFUSED = """\
foreach ([«names»] as $name) {
    if (file_exists($name)) {
        fail("$name exists already");
    }
}"""

_BLOCKS = Blocks(
    base64=_BASE64,
    text=_TEXT,
    parsed=_PARSED,
    saved=_SAVED,
    events=_EVENTS,
    stream=_STREAM,
    deltas=_DELTAS,
    call_deltas=_CALL_DELTAS,
    answers=_ANSWERS,
    calls=_CALLS,
    refused=_REFUSED,
)
_FLAGS = "JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE | JSON_PRESERVE_ZERO_FRACTION"
_INTEGER = re.compile(r"0|-?[1-9]\d*", re.ASCII)
_RANGE = range(-(2**63), 2**63)


def program(call: Call, base_url: str) -> Program:
    """Write the call as a PHP script."""
    plan = outline(call, base_url)
    functions = _BLOCKS.functions(plan)
    body = _body(plan)
    if "textOf(" in body and _TEXT not in functions:
        functions = _TEXT + functions
    if "multipart(" in body:
        functions = _MULTIPART + functions
    text = fill(
        _PROGRAM,
        url=php(plan.url),
        functions=functions,
        refusal=_BLOCKS.refusal(plan, php),
        body=body,
        before=_before(plan),
        options="\n".join(f"{one}," for one in _options(plan)),
        shown=_BLOCKS.shown(plan) if plan.streamed or not plan.stream else "",
    )
    return Program(text, (*plan.notes, *_notes(plan.body)))


def _notes(value: Any) -> Iterator[str]:
    items: Iterable[Any] = ()
    if isinstance(value, dict):
        items = value.values()
    elif isinstance(value, list):
        items = value
    elif isinstance(value, int) and value not in _RANGE:
        yield Text("PHP has no integer as large as {value}: it is sent as a fraction", value=value)
    for item in items:
        yield from _notes(item)


def _before(plan: Outline) -> str:
    if plan.streamed:
        calls = _CALL_DELTAS[plan.kind] if plan.tools else ""
        return fill(_READ, delta=fill(_DELTAS[plan.kind], calls=calls))
    # The answer is held several times over while its images are decoded.
    return "ini_set('memory_limit', '1G');" if plan.kind == "image" else ""


def _options(plan: Outline) -> Iterator[str]:
    if plan.method == "HEAD":
        yield "CURLOPT_NOBODY => true"
    elif plan.method != "GET" or plan.has_body:
        yield f"CURLOPT_CUSTOMREQUEST => {php(plan.method)}"
    headers = [
        # A header without a value is spelled with a semicolon, else curl takes it out.
        php(f"{name}: {value}" if value else f"{name};")
        for name, value in plan.headers
    ]
    lines = "".join(f"    {one},\n" for one in ['"Authorization: Bearer $key"', *headers])
    if "multipart(" in _body(plan):
        lines += '    "Content-Type: multipart/form-data; boundary=$boundary",\n'
    yield f"CURLOPT_HTTPHEADER => [\n{lines}]"
    if plan.body is not None:
        yield f"CURLOPT_POSTFIELDS => json_encode(\n    $body,\n    {_FLAGS},\n)"
    elif plan.has_body:
        yield "CURLOPT_POSTFIELDS => $body"
    yield "CURLOPT_CONNECTTIMEOUT => 10"
    if plan.stream:
        yield "CURLOPT_LOW_SPEED_LIMIT => 1"
        yield f"CURLOPT_LOW_SPEED_TIME => {plan.silence_s}"
    yield f"CURLOPT_TIMEOUT => {plan.timeout_s}"
    keep = "$answer .= $chunk;" if not plan.stream else "echo $chunk;"
    yield "CURLOPT_WRITEFUNCTION => " + (
        "$read" if plan.streamed else _KEPT.replace("«keep»", keep)
    )


_KEPT = """\
function ($handle, string $chunk) use (&$answer): int {
    «keep»
    return strlen($chunk);
}"""


def _key(key: str) -> str:
    return f"{php(key)} => "


def _braces(keys: Iterable[str]) -> tuple[str, str]:
    """Return the brackets of an object: keys that look like integers would make it a list."""
    found = list(keys)
    if not found:
        return "new stdClass(", ")"
    return ("(object) [" if any(map(_INTEGER.fullmatch, found)) else "[", "]")


def _value(value: Any) -> str:
    def piece(one: str | FilePiece) -> str:
        if isinstance(one, str):
            return php(one)
        return f"{'textOf' if one.text else 'base64Of'}({php(one.path)})"

    def pieced(pieces: tuple[str | FilePiece, ...]) -> str:
        return " . ".join(map(piece, pieces))

    return layout(value, Notation(php, _key, pieced, _braces, indent="    "))


def _body(plan: Outline) -> str:
    if plan.body is not None:
        return f"$body = {_value(plan.body)};"
    if plan.raw_path is not None:
        return f"$body = textOf({php(plan.raw_path)});"
    if plan.raw is not None:
        text = blob_text(plan.raw)
        return f"$body = {_bytes(plan.raw) if text is None else php(text)};"
    if not plan.fields:
        return ""
    names = [one.name for one in plan.fields]
    if len(set(names)) == len(names):
        lines = "".join(f"    {_key(one.name)}{_field(one)},\n" for one in plan.fields)
        return f"$body = [\n{lines}];"
    lines = "".join(f"    {_row(one)},\n" for one in plan.fields)
    return f"$boundary = bin2hex(random_bytes(16));\n$body = multipart([\n{lines}], $boundary);"


def _bytes(content: bytes) -> str:
    return f'base64_decode("{b64encode(content).decode()}")'


def _field(field: Field) -> str:
    if field.value is not None:
        return php(field.value)
    about = f"{php(field.filename)}, {php(field.type)}"
    if field.path is None:
        return f"new CURLStringFile({_bytes(field.content)}, {about})"
    return f"new CURLFile({php(field.path)}, {php(field.type)}, {php(field.filename)})"


def _row(field: Field) -> str:
    if field.value is not None:
        return f"[{php(field.name)}, {php(field.value)}, null, null]"
    content = _bytes(field.content) if field.path is None else f"textOf({php(field.path)})"
    return f"[{php(field.name)}, {content}, {php(field.filename)}, {php(field.type)}]"
