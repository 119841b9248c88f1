// [base64]
static string Base64Of(string path) => Convert.ToBase64String(File.ReadAllBytes(path));

// [text]
// The text of a file as it stands inside a JSON string.
static string TextOf(string path) => JsonEncodedText.Encode(File.ReadAllText(path)).ToString();

// [parse]
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

// [image]
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

// [multipart]
static HttpContent Part(byte[] content, string about, string? type)
{
    var part = new ByteArrayContent(content);
    part.Headers.TryAddWithoutValidation("Content-Disposition", $"form-data; {about}");
    if (type is not null) part.Headers.TryAddWithoutValidation("Content-Type", type);
    return part;
}
