"""A Call as a C# program: top-level statements on HttpClient and System.Text.Json."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator

from apiyi_cli.core.call import Call
from apiyi_cli.export.blocks import Blocks
from apiyi_cli.export.outline import Field, FilePiece, Outline, blob_text, outline
from apiyi_cli.export.program import Program
from apiyi_cli.export.quote import csharp, fill, json_text
from apiyi_cli.text import Text

_PROGRAM = """\
// Needs .NET 8 or newer: the Program.cs of `dotnet new console`.
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

const string Url = «url»;

try
{
    Console.OutputEncoding = Encoding.UTF8;
    await Run();
    return 0;
}
catch (Exception error)
{
    Console.Error.WriteLine(error.Message);
    return 1;
}

static async Task Run()
{
    var key = Environment.GetEnvironmentVariable("APIYI_API_KEY");
    if (string.IsNullOrEmpty(key)) throw new InvalidOperationException("APIYI_API_KEY is not set");
    «refusal»
    «body»
    using var handler = new SocketsHttpHandler
    {
        AllowAutoRedirect = false,
        ConnectTimeout = TimeSpan.FromSeconds(10),
    };
    // The client's own timeout ends with the headers; the token holds for the body, too.
    using var client = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
    using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(«timeout»));
    using var request = new HttpRequestMessage(«method», Url);
    request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
    «headers»
    using var reply = await client.SendAsync(
        request, HttpCompletionOption.ResponseHeadersRead, limit.Token);
    if (!reply.IsSuccessStatusCode)
    {
        var text = await reply.Content.ReadAsStringAsync(limit.Token);
        throw new HttpRequestException($"HTTP {(int)reply.StatusCode}: {text}");
    }
    «shown»
}
«functions»
"""

_BASE64 = """
static string Base64Of(string path) => Convert.ToBase64String(File.ReadAllBytes(path));
"""

_TEXT = """
// The text of a file as it stands inside a JSON string.
static string TextOf(string path) => JsonEncodedText.Encode(File.ReadAllText(path)).ToString();
"""

_PARSED = """
static async Task<JsonNode> Parsed(HttpResponseMessage reply, string field, CancellationToken stop)
{
    var text = await reply.Content.ReadAsStringAsync(stop);
    try
    {
        var found = JsonNode.Parse(text) is JsonObject answer ? answer[field] : null;
        if (found is not null and not JsonArray { Count: 0 }) return found;
    }
    catch (JsonException error)
    {
        throw new InvalidDataException($"not JSON: {text}", error);
    }
    throw new InvalidDataException($"no {field} in the answer: {text}");
}
"""

_SAVED = """
static async Task<byte[]> ImageBytes(JsonNode? item, CancellationToken stop)
{
    if ((string?)item?["b64_json"] is { Length: > 0 } coded)
    {
        return Convert.FromBase64String(coded[(coded.IndexOf(',') + 1)..]);
    }
    // The link is not the gateway's: the key stays here.
    using var client = new HttpClient();
    return await client.GetByteArrayAsync((string?)item?["url"], stop);
}
"""

_PART = """
static HttpContent Part(byte[] content, string about, string? type)
{
    var part = new ByteArrayContent(content);
    part.Headers.TryAddWithoutValidation("Content-Disposition", $"form-data; {about}");
    if (type is not null) part.Headers.TryAddWithoutValidation("Content-Type", type);
    return part;
}
"""

_STREAM = """\
var kind = reply.Content.Headers.ContentType?.MediaType ?? "";
if (kind.Contains("json") || kind.Contains("html"))
{
    var text = await reply.Content.ReadAsStringAsync(limit.Token);
    throw new InvalidDataException($"not a stream: {text}");
}
var finished = false;
await using var stream = await reply.Content.ReadAsStreamAsync(limit.Token);
using var lines = new StreamReader(stream, Encoding.UTF8);
while (await lines.ReadLineAsync(limit.Token) is { } line)
{
    var data = line.StartsWith("data:", StringComparison.Ordinal) ? line[5..].Trim() : "";
    if (data is "" or "[DONE]") continue;
    var one = JsonNode.Parse(data);
    var type = (string?)one?["type"];
    if (one?["error"] is not null || type == "response.failed")
    {
        throw new InvalidDataException($"the stream reports an error: {data}");
    }
    «delta»
}
Console.WriteLine();
if (!finished) throw new InvalidDataException("the stream was cut");"""

_DELTAS = {
    "chat": """\
foreach (var choice in one?["choices"] as JsonArray ?? new JsonArray())
{
    Console.Write((string?)choice?["delta"]?["content"]);
    «calls»
    finished |= (string?)choice?["finish_reason"] is { Length: > 0 };
}""",
    "complete": """\
foreach (var choice in one?["choices"] as JsonArray ?? new JsonArray())
{
    Console.Write((string?)choice?["text"]);
    finished |= (string?)choice?["finish_reason"] is { Length: > 0 };
}""",
    "respond": """\
if (type == "response.output_text.delta") Console.Write((string?)one?["delta"]);
«calls»
finished |= type is "response.completed" or "response.incomplete";""",
    "transcribe": """\
if (type == "transcript.text.delta") Console.Write((string?)one?["delta"]);
finished |= type == "transcript.text.done";""",
}

_CALL_DELTAS = {
    "chat": """\
foreach (var call in choice?["delta"]?["tool_calls"] as JsonArray ?? new JsonArray())
{
    if ((string?)call?["function"]?["name"] is { Length: > 0 } name) Console.Write($"\\n{name} ");
    Console.Write((string?)call?["function"]?["arguments"]);
}""",
    "respond": """\
var item = one?["item"];
if (type == "response.output_item.done" && (string?)item?["type"] == "function_call")
{
    Console.WriteLine($"\\n{item?["name"]} {item?["arguments"]}");
}""",
}

_ANSWERS = {
    "chat": """\
foreach (var choice in (await Parsed(reply, "choices", limit.Token)).AsArray())
{
    var message = choice?["message"];
    if ((string?)message?["content"] is { Length: > 0 } content) Console.WriteLine(content);
    «calls»
}""",
    "complete": """\
foreach (var choice in (await Parsed(reply, "choices", limit.Token)).AsArray())
{
    Console.WriteLine((string?)choice?["text"]);
}""",
    "respond": """\
foreach (var item in (await Parsed(reply, "output", limit.Token)).AsArray())
{
    foreach (var part in item?["content"] as JsonArray ?? new JsonArray())
    {
        if ((string?)part?["type"] == "output_text") Console.WriteLine((string?)part?["text"]);
    }
    «calls»
}""",
    "embed": """\
foreach (var item in (await Parsed(reply, "data", limit.Token)).AsArray())
{
    Console.WriteLine(item?["embedding"]?.ToJsonString());
}""",
    "image": """\
var number = 0;
foreach (var item in (await Parsed(reply, "data", limit.Token)).AsArray())
{
    number++;
    var path = $"image-{number}.«suffix»";
    await File.WriteAllBytesAsync(path, await ImageBytes(item, limit.Token), limit.Token);
    Console.WriteLine(path);
}""",
    "transcribe": """\
Console.WriteLine((string?)await Parsed(reply, "text", limit.Token));""",
    "speak": """\
var kind = reply.Content.Headers.ContentType?.MediaType ?? "";
if (kind.Contains("json") || kind.StartsWith("text/", StringComparison.Ordinal))
{
    var text = await reply.Content.ReadAsStringAsync(limit.Token);
    throw new InvalidDataException($"not a recording: {text}");
}
await using (var file = File.Create("speech.«suffix»"))
{
    await reply.Content.CopyToAsync(file, limit.Token);
}
Console.WriteLine("speech.«suffix»");""",
    "models": """\
foreach (var item in (await Parsed(reply, "data", limit.Token)).AsArray())
{
    Console.WriteLine((string?)item?["id"]);
}""",
    "other": """\
await using var output = Console.OpenStandardOutput();
await reply.Content.CopyToAsync(output, limit.Token);""",
}

_CALLS = {
    "chat": """\
foreach (var call in message?["tool_calls"] as JsonArray ?? new JsonArray())
{
    Console.WriteLine($"{call?["function"]?["name"]} {call?["function"]?["arguments"]}");
}""",
    "respond": """\
if ((string?)item?["type"] == "function_call")
{
    Console.WriteLine($"{item?["name"]} {item?["arguments"]}");
}""",
}

_REFUSED = """\
foreach (var name in new[] { «names» })
{
    if (File.Exists(name)) throw new IOException($"{name} exists already");
}"""

_BLOCKS = Blocks(
    base64=_BASE64,
    text=_TEXT,
    parsed=_PARSED,
    saved=_SAVED,
    events="",
    stream=_STREAM,
    deltas=_DELTAS,
    call_deltas=_CALL_DELTAS,
    answers=_ANSWERS,
    calls=_CALLS,
    refused=_REFUSED,
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


def program(call: Call, base_url: str) -> Program:
    """Write the call as the Program.cs of a console application."""
    plan = outline(call, base_url)
    body = _body(plan)
    named = plan.method in _METHODS
    text = fill(
        _PROGRAM,
        url=csharp(plan.url),
        refusal=_BLOCKS.refusal(plan, csharp),
        body=body,
        timeout=str(plan.timeout_s),
        method=f"HttpMethod.{plan.method.title()}" if named else f"new({csharp(plan.method)})",
        headers="\n".join(_headers(plan)),
        shown=_BLOCKS.shown(plan),
        functions=_BLOCKS.functions(plan) + (_PART if plan.fields else ""),
    )
    return Program(text.rstrip("\n") + "\n", (*plan.notes, *_notes(plan)))


def _notes(plan: Outline) -> Iterator[str]:
    for field in plan.fields:
        if not f"{field.name}{field.filename}".isascii():
            yield Text(
                ".NET sends names in ASCII: {filename} is changed",
                filename=field.filename or field.name,
            )


def _headers(plan: Outline) -> Iterator[str]:
    if plan.has_body:
        yield "request.Content = " + ("body;" if plan.fields else "new ByteArrayContent(body);")
    for name, value in plan.headers:
        # Headers that describe the body are refused among those of the request.
        place = "Content.Headers" if name.lower().startswith("content-") else "Headers"
        if place == "Headers" or plan.has_body:
            yield f"request.{place}.TryAddWithoutValidation({csharp(name)}, {csharp(value)});"


def _body(plan: Outline) -> str:
    if plan.body is not None:
        return _json(plan)
    if plan.raw_path is not None:
        return f"var body = File.ReadAllBytes({csharp(plan.raw_path)});"
    if plan.raw is not None:
        text = blob_text(plan.raw)
        if text is None:
            return f"var body = {_bytes(plan.raw)};"
        return f"var body = Encoding.UTF8.GetBytes({csharp(text)});"
    if plan.fields:
        return "\n".join(
            ["using var body = new MultipartFormDataContent();", *map(_part, plan.fields)]
        )
    return ""


def _json(plan: Outline) -> str:
    """Return the body as a raw string; JSON text never has three quotes in a row."""
    plain = json_text(plan.body, lambda piece: "")
    depth = max(map(len, re.findall(r"\{+|\}+", plain)), default=0) + 1

    def splice(piece: FilePiece) -> str:
        read = "TextOf" if piece.text else "Base64Of"
        return f"{'{' * depth}{read}({csharp(piece.path)}){'}' * depth}"

    mark = "$" * depth if plan.reads else ""
    return (
        f'var json = {mark}"""\n{json_text(plan.body, splice)}\n""";\n'
        "var body = Encoding.UTF8.GetBytes(json);"
    )


def _part(field: Field) -> str:
    about = f'name="{_form_quoted(field.name)}"'
    if field.value is not None:
        content, kind = f"Encoding.UTF8.GetBytes({csharp(field.value)})", "null"
    else:
        content = _bytes(field.content)
        if field.path is not None:
            content = f"File.ReadAllBytes({csharp(field.path)})"
        about += f'; filename="{_form_quoted(field.filename)}"'
        kind = csharp(field.type)
    return f"body.Add(Part({content}, {csharp(about)}, {kind}));"


def _form_quoted(text: str) -> str:
    quoted = text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
    return re.sub(r"[^\x20-\x7e]", "_", quoted)


def _bytes(content: bytes) -> str:
    return f'Convert.FromBase64String("{b64encode(content).decode()}")'
