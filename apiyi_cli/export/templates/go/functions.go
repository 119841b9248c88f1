// Functions and types that programs need.
package main

// [multipart]
func addFile(form *multipart.Writer, name, filename, kind string, content []byte) error {
	escape := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace
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

// [base64]
func base64Of(path string) (string, error) {
	content, err := os.ReadFile(path)
	return base64.StdEncoding.EncodeToString(content), err
}

// [text]
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

// [parse]
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

// [image]
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

// [events]
// events calls show with every event of the stream.
func events(reply *http.Response, show func(event)) error {
	kind := reply.Header.Get("Content-Type")
	if strings.Contains(kind, "json") || strings.Contains(kind, "html") {
		text, _ := io.ReadAll(reply.Body)
		return fmt.Errorf("not a stream: %s", text)
	}
	reader := bufio.NewReader(reply.Body)
	for {
		line, ended := reader.ReadBytes('\n')
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

// [event.chat]
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

// [event.respond]
type event struct {
	Type  string `json:"type"`
	Error any    `json:"error"`
	Delta string `json:"delta"`
	Item  struct {
		Type string `json:"type"`
		function
	} `json:"item"`
}

// [event.messages]
type event struct {
	Type  string `json:"type"`
	Error any    `json:"error"`
	Delta struct {
		Text        string `json:"text"`
		PartialJSON string `json:"partial_json"`
	} `json:"delta"`
	ContentBlock struct {
		Type string `json:"type"`
		Name string `json:"name"`
	} `json:"content_block"`
}

// [event.generate]
type event struct {
	Type  string `json:"type"`
	Error any    `json:"error"`
	generated
}

// [type.messages]
type message struct {
	Content []struct {
		Type  string          `json:"type"`
		Text  string          `json:"text"`
		Name  string          `json:"name"`
		Input json.RawMessage `json:"input"`
	} `json:"content"`
}

// [type.generate]
type generated struct {
	Candidates []struct {
		Content struct {
			Parts []struct {
				Text         string          `json:"text"`
				Thought      bool            `json:"thought"`
				FunctionCall json.RawMessage `json:"functionCall"`
				InlineData   struct {
					Data string `json:"data"`
				} `json:"inlineData"`
			} `json:"parts"`
		} `json:"content"`
		FinishReason string `json:"finishReason"`
	} `json:"candidates"`
}

// [type.chat]
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

// [type.complete]
type completion struct {
	Choices []struct {
		Text string `json:"text"`
	} `json:"choices"`
}

// [type.respond]
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

// [type.embed]
type embeddings struct {
	Data []struct {
		Embedding json.RawMessage `json:"embedding"`
	} `json:"data"`
}

// [type.image]
type images struct {
	Data []struct {
		B64JSON string `json:"b64_json"`
		URL     string `json:"url"`
	} `json:"data"`
}

// [type.transcribe]
type transcript struct {
	Text *string `json:"text"`
}

// [type.models]
type models struct {
	Data []struct {
		ID string `json:"id"`
	} `json:"data"`
}

// [type.function]
type function struct {
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}
