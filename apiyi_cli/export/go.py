"""A Call as a Go program on the standard library.

The body stays JSON text: a map would be sent in the order of the alphabet, and the order of a
schema's properties matters to models.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator

from apiyi_cli.core.call import Call
from apiyi_cli.export.blocks import Blocks
from apiyi_cli.export.outline import FilePiece, Outline, blob_text, outline
from apiyi_cli.export.program import Program
from apiyi_cli.export.quote import fill, go, json_text

_PROGRAM = """\
// Needs Go 1.20 or newer: go run main.go
package main

import (
«imports»
)

const endpoint = «url»
«constant»

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	key := os.Getenv("APIYI_API_KEY")
	if key == "" {
		return errors.New("APIYI_API_KEY is not set")
	}
	«refusal»
	«body»
	ctx, cancel := context.WithTimeout(context.Background(), «timeout»*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, «method», endpoint, «reader»)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	«headers»
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	reply, err := client.Do(request)
	if err != nil {
		return err
	}
	defer reply.Body.Close()
	if reply.StatusCode < 200 || reply.StatusCode > 299 {
		text, _ := io.ReadAll(reply.Body)
		return fmt.Errorf("HTTP %s: %s", reply.Status, text)
	}
	«shown»
	return nil
}
«functions»
"""

_BASE64 = """
func base64Of(path string) (string, error) {
	content, err := os.ReadFile(path)
	return base64.StdEncoding.EncodeToString(content), err
}
"""

_TEXT = """
// textOf returns the file's text as it stands inside a JSON string.
func textOf(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	quoted, err := json.Marshal(string(content))
	if err != nil {
		return "", err
	}
	return string(quoted[1 : len(quoted)-1]), nil
}
"""

_PARSED = """
// parse fills answer from the reply and returns the reply's text.
func parse(reply *http.Response, answer any) (string, error) {
	text, err := io.ReadAll(reply.Body)
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return "", fmt.Errorf("%w: %s", err, text)
	}
	return string(text), nil
}
"""

_SAVED = """
func imageBytes(coded, link string) ([]byte, error) {
	if coded != "" {
		return base64.StdEncoding.DecodeString(coded[strings.LastIndex(coded, ",")+1:])
	}
	// The link is not the gateway's: the key stays here.
	client := &http.Client{Timeout: 120 * time.Second}
	found, err := client.Get(link)
	if err != nil {
		return nil, err
	}
	defer found.Body.Close()
	if found.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("HTTP %s from %s", found.Status, link)
	}
	return io.ReadAll(found.Body)
}
"""

_ADD_FILE = """
func addFile(form *multipart.Writer, name, filename, kind string, content []byte) error {
	escape := strings.NewReplacer(`\\`, `\\\\`, `"`, `\\"`).Replace
	about := fmt.Sprintf(`form-data; name="%s"; filename="%s"`, escape(name), escape(filename))
	header := textproto.MIMEHeader{}
	header.Set("Content-Disposition", about)
	header.Set("Content-Type", kind)
	part, err := form.CreatePart(header)
	if err != nil {
		return err
	}
	_, err = part.Write(content)
	return err
}
"""

_EVENTS = """
// events calls show with every event of the stream.
func events(reply *http.Response, show func(event)) error {
	kind := reply.Header.Get("Content-Type")
	if strings.Contains(kind, "json") || strings.Contains(kind, "html") {
		text, _ := io.ReadAll(reply.Body)
		return fmt.Errorf("not a stream: %s", text)
	}
	reader := bufio.NewReader(reply.Body)
	for {
		line, ended := reader.ReadBytes('\\n')
		data, found := bytes.CutPrefix(line, []byte("data:"))
		data = bytes.TrimSpace(data)
		if found && len(data) > 0 && string(data) != "[DONE]" {
			var one event
			if err := json.Unmarshal(data, &one); err != nil {
				return fmt.Errorf("%w: %s", err, data)
			}
			if one.Error != nil || one.Type == "response.failed" {
				return fmt.Errorf("the stream reports an error: %s", data)
			}
			show(one)
		}
		if ended == io.EOF {
			return nil
		}
		if ended != nil {
			return ended
		}
	}
}
"""

_CHOICE_EVENT = """
type event struct {
	Type    string `json:"type"`
	Error   any    `json:"error"`
	Choices []struct {
		Text  string `json:"text"`
		Delta struct {
			Content   string `json:"content"`
			ToolCalls []struct {
				Function function `json:"function"`
			} `json:"tool_calls"`
		} `json:"delta"`
		FinishReason string `json:"finish_reason"`
	} `json:"choices"`
}
"""

_TYPED_EVENT = """
type event struct {
	Type  string `json:"type"`
	Error any    `json:"error"`
	Delta string `json:"delta"`
	Item  struct {
		Type string `json:"type"`
		function
	} `json:"item"`
}
"""

_FUNCTION = """
type function struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}
"""

_TYPES = {
    "chat": """
type completion struct {
	Choices []struct {
		Message struct {
			Content   string `json:"content"`
			ToolCalls []struct {
				Function function `json:"function"`
			} `json:"tool_calls"`
		} `json:"message"`
	} `json:"choices"`
}
""",
    "complete": """
type completion struct {
	Choices []struct {
		Text string `json:"text"`
	} `json:"choices"`
}
""",
    "respond": """
type response struct {
	Output []struct {
		Type    string `json:"type"`
		Content []struct {
			Type string `json:"type"`
			Text string `json:"text"`
		} `json:"content"`
		function
	} `json:"output"`
}
""",
    "embed": """
type embeddings struct {
	Data []struct {
		Embedding json.RawMessage `json:"embedding"`
	} `json:"data"`
}
""",
    "image": """
type images struct {
	Data []struct {
		B64JSON string `json:"b64_json"`
		URL     string `json:"url"`
	} `json:"data"`
}
""",
    "transcribe": """
type transcript struct {
	Text *string `json:"text"`
}
""",
    "models": """
type models struct {
	Data []struct {
		ID string `json:"id"`
	} `json:"data"`
}
""",
}

_STREAM = """\
finished := false
err = events(reply, func(one event) {
	«delta»
})
if err != nil {
	return err
}
fmt.Println()
if !finished {
	return errors.New("the stream was cut")
}"""

_DELTAS = {
    "chat": """\
for _, choice := range one.Choices {
	fmt.Print(choice.Delta.Content)
	«calls»
	finished = finished || choice.FinishReason != ""
}""",
    "complete": """\
for _, choice := range one.Choices {
	fmt.Print(choice.Text)
	finished = finished || choice.FinishReason != ""
}""",
    "respond": """\
if one.Type == "response.output_text.delta" {
	fmt.Print(one.Delta)
}
«calls»
finished = finished || one.Type == "response.completed" || one.Type == "response.incomplete\"""",
    "transcribe": """\
if one.Type == "transcript.text.delta" {
	fmt.Print(one.Delta)
}
finished = finished || one.Type == "transcript.text.done\"""",
}

_CALL_DELTAS = {
    "chat": """\
for _, call := range choice.Delta.ToolCalls {
	if call.Function.Name != "" {
		fmt.Print("\\n", call.Function.Name, " ")
	}
	fmt.Print(call.Function.Arguments)
}""",
    "respond": """\
if one.Type == "response.output_item.done" && one.Item.Type == "function_call" {
	fmt.Printf("\\n%s %s\\n", one.Item.Name, one.Item.Arguments)
}""",
}


def _checked_value(name: str, expression: str) -> str:
    return f"{name}, err := {expression}\nif err != nil {{\n\treturn err\n}}"


def _checked(kind: str, test: str, shown: str) -> str:
    read = _checked_value("text", "parse(reply, &answer)")
    wrong = f'if {test} {{\n\treturn fmt.Errorf("not the expected answer: %s", text)\n}}'
    return f"var answer {kind}\n{read}\n{wrong}\n{shown}"


_ANSWERS = {
    "chat": _checked(
        "completion",
        "len(answer.Choices) == 0",
        """\
for _, choice := range answer.Choices {
	if choice.Message.Content != "" {
		fmt.Println(choice.Message.Content)
	}
	«calls»
}""",
    ),
    "complete": _checked(
        "completion",
        "len(answer.Choices) == 0",
        """\
for _, choice := range answer.Choices {
	fmt.Println(choice.Text)
}""",
    ),
    "respond": _checked(
        "response",
        "answer.Output == nil",
        """\
for _, item := range answer.Output {
	for _, part := range item.Content {
		if part.Type == "output_text" {
			fmt.Println(part.Text)
		}
	}
	«calls»
}""",
    ),
    "embed": _checked(
        "embeddings",
        "len(answer.Data) == 0",
        """\
for _, item := range answer.Data {
	fmt.Println(string(item.Embedding))
}""",
    ),
    "image": _checked(
        "images",
        "len(answer.Data) == 0",
        """\
for index, item := range answer.Data {
	name := fmt.Sprintf("image-%d.«suffix»", index+1)
	content, err := imageBytes(item.B64JSON, item.URL)
	if err != nil {
		return err
	}
	if err := os.WriteFile(name, content, 0o644); err != nil {
		return err
	}
	fmt.Println(name)
}""",
    ),
    "transcribe": _checked("transcript", "answer.Text == nil", "fmt.Println(*answer.Text)"),
    "speak": """\
kind := reply.Header.Get("Content-Type")
content, err := io.ReadAll(reply.Body)
if err != nil {
	return err
}
if strings.Contains(kind, "json") || strings.HasPrefix(kind, "text/") {
	return fmt.Errorf("not a recording: %s", content)
}
if err := os.WriteFile("speech.«suffix»", content, 0o644); err != nil {
	return err
}
fmt.Println("speech.«suffix»")""",
    "models": _checked(
        "models",
        "answer.Data == nil",
        """\
for _, item := range answer.Data {
	fmt.Println(item.ID)
}""",
    ),
    "other": """\
if _, err := io.Copy(os.Stdout, reply.Body); err != nil {
	return err
}""",
}

_CALLS = {
    "chat": """\
for _, call := range choice.Message.ToolCalls {
	fmt.Println(call.Function.Name, call.Function.Arguments)
}""",
    "respond": """\
if item.Type == "function_call" {
	fmt.Println(item.Name, item.Arguments)
}""",
}

_REFUSED = """\
for _, name := range []string{«names»} {
	if _, err := os.Lstat(name); err == nil {
		return fmt.Errorf("%s exists already", name)
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
_PACKAGES = (
    "bufio",
    "bytes",
    "context",
    "encoding/base64",
    "encoding/json",
    "errors",
    "fmt",
    "io",
    "mime/multipart",
    "net/http",
    "net/textproto",
    "os",
    "strings",
    "time",
)


def program(call: Call, base_url: str) -> Program:
    """Write the call as a Go program of one file, formatted as gofmt does."""
    plan = outline(call, base_url)
    constant, body, reader = _body(plan)
    functions = (_ADD_FILE if "addFile(" in body else "") + _BLOCKS.functions(plan)
    headers = [f"request.Header.Set({go(name)}, {go(value)})" for name, value in plan.headers]
    if plan.fields:
        headers.append('request.Header.Set("Content-Type", form.FormDataContentType())')
    text = fill(
        _PROGRAM,
        imports="«imports»",
        url=go(plan.url),
        constant=constant,
        refusal=_BLOCKS.refusal(plan, go),
        body=body,
        timeout=str(plan.timeout_s),
        method=f"http.Method{plan.method.title()}" if plan.method in _METHODS else go(plan.method),
        reader=reader,
        headers="\n".join(headers),
        shown=_BLOCKS.shown(plan),
        functions=functions + _types(plan),
    )
    text = text.rstrip("\n") + "\n"
    return Program(text.replace("«imports»\n", _imports(text), 1), plan.notes)


_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})


def _imports(text: str) -> str:
    code = re.sub(r'`[^`]*`|"(?:\\.|[^"\\])*"', "", text)
    used = set(re.findall(r"\b([a-z0-9]+)\.[A-Z]", code))
    found = (name for name in _PACKAGES if name.rpartition("/")[2] in used)
    return "".join(f'\t"{name}"\n' for name in found)


def _types(plan: Outline) -> str:
    if plan.streamed:
        chooses = plan.kind in ("chat", "complete")
        found = _CHOICE_EVENT if chooses else _TYPED_EVENT
    elif plan.stream or plan.plain_text:
        return ""
    else:
        found = _TYPES.get(plan.kind, "")
    return found + (_FUNCTION if " function `" in found or "\tfunction\n" in found else "")


def _body(plan: Outline) -> tuple[str, str, str]:
    """Return a constant, the statements before the request, and the reader of the body."""
    if plan.body is not None and not plan.reads:
        text = json_text(plan.body, _never, "`")
        return f"\nconst body = `{text}`", "", "strings.NewReader(body)"
    if plan.body is not None:
        return "", "\n".join(_pieced(plan)), "strings.NewReader(body)"
    if plan.raw_path is not None:
        return (
            "",
            _checked_value("body", f"os.ReadFile({go(plan.raw_path)})"),
            "bytes.NewReader(body)",
        )
    if plan.raw is not None:
        text_or_none = blob_text(plan.raw)
        if text_or_none is None:
            return "", _checked_value("body", _bytes(plan.raw)), "bytes.NewReader(body)"
        return f"\nconst body = {go(text_or_none)}", "", "strings.NewReader(body)"
    if plan.fields:
        return "", "\n".join(_form(plan)), "&body"
    return "", "", "nil"


def _never(piece: FilePiece) -> str:
    raise AssertionError(f"{piece.path} is in a body that reads no files")


def _pieced(plan: Outline) -> Iterator[str]:
    names: dict[FilePiece, str] = {}
    for piece in plan.reads:
        if piece not in names:
            names[piece] = f"file{len(names) + 1}"
            read = "textOf" if piece.text else "base64Of"
            yield _checked_value(names[piece], f"{read}({go(piece.path)})")
    text = json_text(plan.body, lambda piece: f"` + {names[piece]} + `", "`")
    yield f"body := `{text}`"


def _form(plan: Outline) -> Iterator[str]:
    yield "var body bytes.Buffer"
    yield "form := multipart.NewWriter(&body)"
    for number, field in enumerate(plan.fields, 1):
        if field.value is not None:
            written = f"form.WriteField({go(field.name)}, {go(field.value)})"
        else:
            content = f"file{number}"
            read = _bytes(field.content) if field.path is None else f"os.ReadFile({go(field.path)})"
            yield _checked_value(content, read)
            about = ", ".join(map(go, (field.name, field.filename, field.type)))
            written = f"addFile(form, {about}, {content})"
        yield f"if err := {written}; err != nil {{\n\treturn err\n}}"
    yield "if err := form.Close(); err != nil {\n\treturn err\n}"


def _bytes(content: bytes) -> str:
    return f'base64.StdEncoding.DecodeString("{b64encode(content).decode()}")'
