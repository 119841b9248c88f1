"""A Call as a Java program of one file on the JDK's own HTTP client, without dependencies.

The JDK reads no JSON, so that a program which looks into its answer carries a small reader.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator

from apiyi_cli.core.call import Call
from apiyi_cli.export.blocks import Blocks
from apiyi_cli.export.java_json import READER
from apiyi_cli.export.outline import FilePiece, Outline, blob_text, outline
from apiyi_cli.export.program import Program
from apiyi_cli.export.quote import fill, java, json_text

_PROGRAM = """\
// Needs Java 17 or newer: java -Dfile.encoding=UTF-8 Program.java
«imports»

public final class Program {
    private static final String URL = «url»;
    private static final PrintStream OUT =
        new PrintStream(System.out, true, StandardCharsets.UTF_8);

    public static void main(String[] args) {
        try {
            run();
        } catch (Exception error) {
            fail(error.toString());
        }
    }

    private static void fail(String message) {
        new PrintStream(System.err, true, StandardCharsets.UTF_8).println(message);
        System.exit(1);
    }

    private static void run() throws Exception {
        String key = System.getenv("APIYI_API_KEY");
        if (key == null || key.isEmpty()) {
            throw new IllegalStateException("APIYI_API_KEY is not set");
        }
        «refusal»
        // A request's own timeout ends with the headers; this one holds for the body, too.
        CompletableFuture.delayedExecutor(«timeout», TimeUnit.SECONDS)
            .execute(() -> fail("no complete answer within «timeout» s"));
        «body»
        HttpRequest request = HttpRequest.newBuilder(URI.create(URL))
            .header("Authorization", "Bearer " + key)
            «headers»
            .method(«method», «publisher»)
            .build();
        HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();
        HttpResponse<InputStream> reply = client.send(request, BodyHandlers.ofInputStream());
        if (reply.statusCode() < 200 || reply.statusCode() > 299) {
            throw new IOException("HTTP " + reply.statusCode() + ": " + text(reply));
        }
        «shown»
    }

    private static String text(HttpResponse<InputStream> reply) throws IOException {
        return new String(reply.body().readAllBytes(), StandardCharsets.UTF_8);
    }
    «functions»
}
"""

_BASE64 = """
private static String base64Of(String path) throws IOException {
    return Base64.getEncoder().encodeToString(Files.readAllBytes(Path.of(path)));
}
"""

_TEXT = """
/** The text of a file as it stands inside a JSON string. */
private static String textOf(String path) throws IOException {
    StringBuilder quoted = new StringBuilder();
    for (char letter : Files.readString(Path.of(path)).toCharArray()) {
        if (letter == '"' || letter == '\\\\' || letter < ' ') {
            quoted.append(String.format("\\\\u%04x", (int) letter));
        } else {
            quoted.append(letter);
        }
    }
    return quoted.toString();
}
"""

_PARSED = """
private static List<?> parsed(HttpResponse<InputStream> reply, String field) throws IOException {
    String text = text(reply);
    try {
        if (at(Json.read(text), field) instanceof List<?> items && !items.isEmpty()) {
            return items;
        }
    } catch (IllegalArgumentException error) {
        throw new IOException("not JSON: " + text, error);
    }
    throw new IOException("no " + field + " in the answer: " + text);
}
"""

_SAVED = """
private static byte[] imageBytes(Object item) throws Exception {
    String coded = string(item, "b64_json");
    if (!coded.isEmpty()) {
        return Base64.getDecoder().decode(coded.substring(coded.indexOf(',') + 1));
    }
    // The link is not the gateway's: the key stays here.
    HttpRequest request = HttpRequest.newBuilder(URI.create(string(item, "url"))).build();
    HttpResponse<byte[]> found =
        HttpClient.newHttpClient().send(request, BodyHandlers.ofByteArray());
    if (found.statusCode() != 200) {
        throw new IOException("HTTP " + found.statusCode() + " from " + request.uri());
    }
    return found.body();
}
"""

_MULTIPART = """
private static BodyPublisher file(String head, BodyPublisher content) {
    return BodyPublishers.concat(
        BodyPublishers.ofString(head), content, BodyPublishers.ofString("\\r\\n"));
}
"""

_STREAM = """\
String kind = reply.headers().firstValue("Content-Type").orElse("");
if (kind.contains("json") || kind.contains("html")) {
    throw new IOException("not a stream: " + text(reply));
}
boolean finished = false;
try (BufferedReader lines =
        new BufferedReader(new InputStreamReader(reply.body(), StandardCharsets.UTF_8))) {
    for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        String data = line.startsWith("data:") ? line.substring(5).strip() : "";
        if (data.isEmpty() || data.equals("[DONE]")) {
            continue;
        }
        Object event = Json.read(data);
        if (at(event, "error") != null || string(event, "type").equals("response.failed")) {
            throw new IOException("the stream reports an error: " + data);
        }
        «delta»
    }
}
OUT.println();
if (!finished) {
    throw new IOException("the stream was cut");
}"""

_DELTAS = {
    "chat": """\
for (Object choice : list(event, "choices")) {
    OUT.print(string(choice, "delta", "content"));
    «calls»
    finished |= !string(choice, "finish_reason").isEmpty();
}
OUT.flush();""",
    "complete": """\
for (Object choice : list(event, "choices")) {
    OUT.print(string(choice, "text"));
    finished |= !string(choice, "finish_reason").isEmpty();
}
OUT.flush();""",
    "respond": """\
String type = string(event, "type");
if (type.equals("response.output_text.delta")) {
    OUT.print(string(event, "delta"));
    OUT.flush();
}
«calls»
finished |= type.equals("response.completed") || type.equals("response.incomplete");""",
    "transcribe": """\
String type = string(event, "type");
if (type.equals("transcript.text.delta")) {
    OUT.print(string(event, "delta"));
    OUT.flush();
}
finished |= type.equals("transcript.text.done");""",
}

_CALL_DELTAS = {
    "chat": """\
for (Object call : list(choice, "delta", "tool_calls")) {
    String name = string(call, "function", "name");
    OUT.print(name.isEmpty() ? "" : "\\n" + name + " ");
    OUT.print(string(call, "function", "arguments"));
}""",
    "respond": """\
if (type.equals("response.output_item.done")
        && string(event, "item", "type").equals("function_call")) {
    OUT.println("\\n" + string(event, "item", "name") + " " + string(event, "item", "arguments"));
}""",
}

_ANSWERS = {
    "chat": """\
for (Object choice : parsed(reply, "choices")) {
    String content = string(choice, "message", "content");
    if (!content.isEmpty()) {
        OUT.println(content);
    }
    «calls»
}""",
    "complete": """\
for (Object choice : parsed(reply, "choices")) {
    OUT.println(string(choice, "text"));
}""",
    "respond": """\
for (Object item : parsed(reply, "output")) {
    for (Object part : list(item, "content")) {
        if (string(part, "type").equals("output_text")) {
            OUT.println(string(part, "text"));
        }
    }
    «calls»
}""",
    "embed": """\
for (Object item : parsed(reply, "data")) {
    OUT.println(at(item, "embedding"));
}""",
    "image": """\
int number = 0;
for (Object item : parsed(reply, "data")) {
    number++;
    Path path = Path.of("image-" + number + ".«suffix»");
    Files.write(path, imageBytes(item));
    OUT.println(path);
}""",
    "transcribe": """\
String text = text(reply);
if (!(at(Json.read(text), "text") instanceof String heard)) {
    throw new IOException("no text in the answer: " + text);
}
OUT.println(heard);""",
    "speak": """\
String type = reply.headers().firstValue("Content-Type").orElse("");
if (type.contains("json") || type.startsWith("text/")) {
    throw new IOException("not a recording: " + text(reply));
}
Files.copy(reply.body(), Path.of("speech.«suffix»"));
OUT.println("speech.«suffix»");""",
    "models": """\
for (Object item : parsed(reply, "data")) {
    OUT.println(string(item, "id"));
}""",
    "other": """\
reply.body().transferTo(System.out);
System.out.flush();""",
}

_CALLS = {
    "chat": """\
for (Object call : list(choice, "message", "tool_calls")) {
    OUT.println(string(call, "function", "name") + " " + string(call, "function", "arguments"));
}""",
    "respond": """\
if (string(item, "type").equals("function_call")) {
    OUT.println(string(item, "name") + " " + string(item, "arguments"));
}""",
}

_REFUSED = """\
for (String name : List.of(«names»)) {
    if (Files.exists(Path.of(name))) {
        throw new IOException(name + " exists already");
    }
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
_CONSTANT_BYTES = 40_000
_CLASSES = (
    "java.io.BufferedReader",
    "java.io.IOException",
    "java.io.InputStream",
    "java.io.InputStreamReader",
    "java.io.PrintStream",
    "java.net.URI",
    "java.net.http.HttpClient",
    "java.net.http.HttpRequest",
    "java.net.http.HttpRequest.BodyPublisher",
    "java.net.http.HttpRequest.BodyPublishers",
    "java.net.http.HttpResponse",
    "java.net.http.HttpResponse.BodyHandlers",
    "java.nio.charset.StandardCharsets",
    "java.nio.file.Files",
    "java.nio.file.Path",
    "java.time.Duration",
    "java.util.ArrayList",
    "java.util.Base64",
    "java.util.LinkedHashMap",
    "java.util.List",
    "java.util.Map",
    "java.util.UUID",
    "java.util.concurrent.CompletableFuture",
    "java.util.concurrent.TimeUnit",
)


def program(call: Call, base_url: str) -> Program:
    """Write the call as a Java program of one file."""
    plan = outline(call, base_url)
    body, publisher = _body(plan)
    shown = _BLOCKS.shown(plan)
    functions = _BLOCKS.functions(plan) + (_MULTIPART if "file(" in body else "")
    if "Json." in functions + shown:
        functions += READER
    headers = [f".header({java(name)}, {java(value)})" for name, value in plan.headers]
    if plan.fields:
        headers.append('.header("Content-Type", "multipart/form-data; boundary=" + boundary)')
    text = fill(
        _PROGRAM,
        imports="«imports»",
        url=java(plan.url),
        refusal=_BLOCKS.refusal(plan, java),
        timeout=str(plan.timeout_s),
        body=body,
        headers="\n".join(headers),
        method=java(plan.method),
        publisher=publisher,
        shown=shown,
        functions=functions,
    )
    return Program(text.replace("«imports»\n", _imports(text), 1), plan.notes)


def _imports(text: str) -> str:
    literals = r'"""(?:[^\\]|\\.)*?"""|"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])\'|//.*'
    code = re.sub(literals, "", text)
    used = set(re.findall(r"\b[A-Z]\w+", code))
    found = (name for name in _CLASSES if name.rpartition(".")[2] in used)
    return "".join(f"import {name};\n" for name in found)


def _text_block(text: str) -> str:
    """Return JSON text, which never has three quotes in a row, as a text block."""
    if len(text.encode(errors="replace")) > _CONSTANT_BYTES:
        return _string(text)
    return '"""\n' + text.replace("\\", "\\\\") + '"""'


def _string(text: str) -> str:
    """Return an expression for text of any length: a constant holds 64 kB, also when added up."""
    if len(text.encode(errors="replace")) <= _CONSTANT_BYTES:
        return java(text)
    step = _CONSTANT_BYTES // 4
    pieces = (java(text[at : at + step]) for at in range(0, len(text), step))
    return 'String.join("",\n    ' + ",\n    ".join(pieces) + ")"


def _body(plan: Outline) -> tuple[str, str]:
    """Return the statements before the request, and the publisher of the body."""
    if plan.body is not None:
        return _json(plan), "BodyPublishers.ofString(body)"
    if plan.raw_path is not None:
        return "", f"BodyPublishers.ofFile(Path.of({java(plan.raw_path)}))"
    if plan.raw is not None:
        text = blob_text(plan.raw)
        if text is None:
            return "", f"BodyPublishers.ofByteArray({_bytes(plan.raw)})"
        return f"String body = {_string(text)};", "BodyPublishers.ofString(body)"
    if plan.fields:
        return "\n".join(_form(plan)), "BodyPublishers.concat(parts)"
    return "", "BodyPublishers.noBody()"


def _json(plan: Outline) -> str:
    names: dict[FilePiece, str] = {}
    mark = "@FILE"
    plain = json_text(plan.body, lambda piece: "")
    while mark in plain:
        mark += "_"
    for piece in plan.reads:
        names.setdefault(piece, f"{mark}{len(names) + 1}@")
    lines = [f"String body = {_text_block(json_text(plan.body, names.__getitem__))}"]
    for piece, name in names.items():
        read = "textOf" if piece.text else "base64Of"
        lines.append(f"    .replace({java(name)}, {read}({java(piece.path)}))")
    return "\n".join(lines) + ";"


def _form(plan: Outline) -> Iterator[str]:
    yield "String boundary = UUID.randomUUID().toString();"
    yield "BodyPublisher[] parts = {"
    for field in plan.fields:
        name = _form_quoted(field.name)
        head = f'\r\nContent-Disposition: form-data; name="{name}"'
        if field.value is not None:
            head += f"\r\n\r\n{field.value}\r\n"
            yield f'    BodyPublishers.ofString("--" + boundary + {_string(head)}),'
            continue
        head += f'; filename="{_form_quoted(field.filename)}"\r\nContent-Type: {field.type}\r\n\r\n'
        content = f"BodyPublishers.ofByteArray({_bytes(field.content)})"
        if field.path is not None:
            content = f"BodyPublishers.ofFile(Path.of({java(field.path)}))"
        yield f'    file("--" + boundary + {java(head)}, {content}),'
    yield '    BodyPublishers.ofString("--" + boundary + "--\\r\\n"),'
    yield "};"


def _form_quoted(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _bytes(content: bytes) -> str:
    return f'Base64.getDecoder().decode("{b64encode(content).decode()}")'
