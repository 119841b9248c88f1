// [refusal]
foreach (var name in new[] { __NAMES__ })
{
    if (File.Exists(name)) throw new IOException($"{name} exists already");
}

// [answer.chat]
foreach (var choice in (await Parsed(reply, "choices", limit.Token)).AsArray())
{
    var message = choice?["message"];
    if ((string?)message?["content"] is { Length: > 0 } content) Console.WriteLine(content);
    // __CALLS__
}

// [answer.complete]
foreach (var choice in (await Parsed(reply, "choices", limit.Token)).AsArray())
{
    Console.WriteLine((string?)choice?["text"]);
}

// [answer.respond]
foreach (var item in (await Parsed(reply, "output", limit.Token)).AsArray())
{
    foreach (var part in item?["content"] as JsonArray ?? new JsonArray())
    {
        if ((string?)part?["type"] == "output_text") Console.WriteLine((string?)part?["text"]);
    }
    // __CALLS__
}

// [answer.embed]
foreach (var item in (await Parsed(reply, "data", limit.Token)).AsArray())
{
    Console.WriteLine(item?["embedding"]?.ToJsonString());
}

// [answer.image]
var number = 0;
foreach (var item in (await Parsed(reply, "data", limit.Token)).AsArray())
{
    number++;
    var path = $"image-{number}.__SUFFIX__";
    await File.WriteAllBytesAsync(path, await ImageBytes(item, limit.Token), limit.Token);
    Console.WriteLine(path);
}

// [answer.transcribe]
Console.WriteLine((string?)await Parsed(reply, "text", limit.Token));

// [answer.speak]
var kind = reply.Content.Headers.ContentType?.MediaType ?? "";
if (kind.Contains("json") || kind.StartsWith("text/", StringComparison.Ordinal))
{
    var text = await reply.Content.ReadAsStringAsync(limit.Token);
    throw new InvalidDataException($"not a recording: {text}");
}
await using (var file = File.Create("speech.__SUFFIX__"))
{
    await reply.Content.CopyToAsync(file, limit.Token);
}
Console.WriteLine("speech.__SUFFIX__");

// [answer.models]
foreach (var item in (await Parsed(reply, "data", limit.Token)).AsArray())
{
    Console.WriteLine((string?)item?["id"]);
}

// [answer.messages]
foreach (var block in (await Parsed(reply, "content", limit.Token)).AsArray())
{
    if ((string?)block?["type"] == "text") Console.WriteLine((string?)block?["text"]);
    if ((string?)block?["type"] == "tool_use")
    {
        Console.WriteLine($"{block?["name"]} {block?["input"]?.ToJsonString()}");
    }
}

// [answer.generate]
var number = 0;
var candidate = (await Parsed(reply, "candidates", limit.Token)).AsArray()[0];
foreach (var part in candidate?["content"]?["parts"] as JsonArray ?? new JsonArray())
{
    if ((bool?)part?["thought"] == true) continue;
    if ((string?)part?["text"] is { Length: > 0 } text) Console.WriteLine(text);
    if (part?["functionCall"] is { } call) Console.WriteLine(call.ToJsonString());
    if ((string?)part?["inlineData"]?["data"] is not { Length: > 0 } coded) continue;
    number++;
    var path = $"image-{number}.__SUFFIX__";
    var content = Convert.FromBase64String(coded[(coded.IndexOf(',') + 1)..]);
    await File.WriteAllBytesAsync(path, content, limit.Token);
    Console.WriteLine(path);
}

// [answer.other]
await using var output = Console.OpenStandardOutput();
await reply.Content.CopyToAsync(output, limit.Token);

// [calls.chat]
foreach (var call in message?["tool_calls"] as JsonArray ?? new JsonArray())
{
    Console.WriteLine($"{call?["function"]?["name"]} {call?["function"]?["arguments"]}");
}

// [calls.respond]
if ((string?)item?["type"] == "function_call")
{
    Console.WriteLine($"{item?["name"]} {item?["arguments"]}");
}

// [stream]
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
    // __DELTA__
}
Console.WriteLine();
if (!finished) throw new InvalidDataException("the stream was cut");

// [delta.chat]
foreach (var choice in one?["choices"] as JsonArray ?? new JsonArray())
{
    Console.Write((string?)choice?["delta"]?["content"]);
    // __CALLS__
    finished |= (string?)choice?["finish_reason"] is { Length: > 0 };
}

// [delta.complete]
foreach (var choice in one?["choices"] as JsonArray ?? new JsonArray())
{
    Console.Write((string?)choice?["text"]);
    finished |= (string?)choice?["finish_reason"] is { Length: > 0 };
}

// [delta.respond]
if (type == "response.output_text.delta") Console.Write((string?)one?["delta"]);
// __CALLS__
finished |= type is "response.completed" or "response.incomplete";

// [delta.transcribe]
if (type == "transcript.text.delta") Console.Write((string?)one?["delta"]);
finished |= type == "transcript.text.done";

// [delta.messages]
var block = one?["content_block"];
if ((string?)block?["type"] == "tool_use") Console.Write($"\n{block?["name"]} ");
Console.Write((string?)one?["delta"]?["text"] ?? (string?)one?["delta"]?["partial_json"]);
finished |= type == "message_stop";

// [delta.generate]
foreach (var candidate in one?["candidates"] as JsonArray ?? new JsonArray())
{
    foreach (var part in candidate?["content"]?["parts"] as JsonArray ?? new JsonArray())
    {
        if (part?["functionCall"] is { } call) Console.WriteLine(call.ToJsonString());
        if ((bool?)part?["thought"] != true) Console.Write((string?)part?["text"]);
    }
    finished |= (string?)candidate?["finishReason"] is { Length: > 0 };
}

// [call_delta.chat]
foreach (var call in choice?["delta"]?["tool_calls"] as JsonArray ?? new JsonArray())
{
    if ((string?)call?["function"]?["name"] is { Length: > 0 } name) Console.Write($"\n{name} ");
    Console.Write((string?)call?["function"]?["arguments"]);
}

// [call_delta.respond]
var item = one?["item"];
if (type == "response.output_item.done" && (string?)item?["type"] == "function_call")
{
    Console.WriteLine($"\n{item?["name"]} {item?["arguments"]}");
}
