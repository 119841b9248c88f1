// Statements inside run().
package main

func run() error {

	// [refusal]
	for _, name := range []string{__NAMES__} {
		if _, err := os.Lstat(name); err == nil {
			return fmt.Errorf("%s exists already", name)
		}
	}

	// [answer.chat]
	var answer completion
	text, err := parse(reply, &answer)
	if err != nil {
		return err
	}
	if len(answer.Choices) == 0 {
		return fmt.Errorf("not the expected answer: %s", text)
	}
	for _, choice := range answer.Choices {
		if choice.Message.Content != "" {
			fmt.Println(choice.Message.Content)
		}
		// __CALLS__
	}

	// [answer.complete]
	var answer completion
	text, err := parse(reply, &answer)
	if err != nil {
		return err
	}
	if len(answer.Choices) == 0 {
		return fmt.Errorf("not the expected answer: %s", text)
	}
	for _, choice := range answer.Choices {
		fmt.Println(choice.Text)
	}

	// [answer.respond]
	var answer response
	text, err := parse(reply, &answer)
	if err != nil {
		return err
	}
	if answer.Output == nil {
		return fmt.Errorf("not the expected answer: %s", text)
	}
	for _, item := range answer.Output {
		for _, part := range item.Content {
			if part.Type == "output_text" {
				fmt.Println(part.Text)
			}
		}
		// __CALLS__
	}

	// [answer.embed]
	var answer embeddings
	text, err := parse(reply, &answer)
	if err != nil {
		return err
	}
	if len(answer.Data) == 0 {
		return fmt.Errorf("not the expected answer: %s", text)
	}
	for _, item := range answer.Data {
		fmt.Println(string(item.Embedding))
	}

	// [answer.image]
	var answer images
	text, err := parse(reply, &answer)
	if err != nil {
		return err
	}
	if len(answer.Data) == 0 {
		return fmt.Errorf("not the expected answer: %s", text)
	}
	for index, item := range answer.Data {
		name := fmt.Sprintf("image-%d.__SUFFIX__", index+1)
		content, err := imageBytes(item.B64JSON, item.URL)
		if err != nil {
			return err
		}
		if err := os.WriteFile(name, content, 0o644); err != nil {
			return err
		}
		fmt.Println(name)
	}

	// [answer.transcribe]
	var answer transcript
	text, err := parse(reply, &answer)
	if err != nil {
		return err
	}
	if answer.Text == nil {
		return fmt.Errorf("not the expected answer: %s", text)
	}
	fmt.Println(*answer.Text)

	// [answer.speak]
	kind := reply.Header.Get("Content-Type")
	content, err := io.ReadAll(reply.Body)
	if err != nil {
		return err
	}
	if strings.Contains(kind, "json") || strings.HasPrefix(kind, "text/") {
		return fmt.Errorf("not a recording: %s", content)
	}
	if err := os.WriteFile("speech.__SUFFIX__", content, 0o644); err != nil {
		return err
	}
	fmt.Println("speech.__SUFFIX__")

	// [answer.models]
	var answer models
	text, err := parse(reply, &answer)
	if err != nil {
		return err
	}
	if answer.Data == nil {
		return fmt.Errorf("not the expected answer: %s", text)
	}
	for _, item := range answer.Data {
		fmt.Println(item.ID)
	}

	// [answer.messages]
	var answer message
	text, err := parse(reply, &answer)
	if err != nil {
		return err
	}
	if len(answer.Content) == 0 {
		return fmt.Errorf("not the expected answer: %s", text)
	}
	for _, block := range answer.Content {
		if block.Type == "text" {
			fmt.Println(block.Text)
		}
		if block.Type == "tool_use" {
			fmt.Println(block.Name, string(block.Input))
		}
	}

	// [answer.generate]
	var answer generated
	text, err := parse(reply, &answer)
	if err != nil {
		return err
	}
	if len(answer.Candidates) == 0 {
		return fmt.Errorf("not the expected answer: %s", text)
	}
	number := 0
	for _, part := range answer.Candidates[0].Content.Parts {
		if part.Text != "" && !part.Thought {
			fmt.Println(part.Text)
		}
		if part.FunctionCall != nil {
			fmt.Println(string(part.FunctionCall))
		}
		coded := part.InlineData.Data
		if coded == "" || part.Thought {
			continue
		}
		number++
		name := fmt.Sprintf("image-%d.__SUFFIX__", number)
		content, err := base64.StdEncoding.DecodeString(coded[strings.LastIndex(coded, ",")+1:])
		if err != nil {
			return err
		}
		if err := os.WriteFile(name, content, 0o644); err != nil {
			return err
		}
		fmt.Println(name)
	}

	// [answer.other]
	if _, err := io.Copy(os.Stdout, reply.Body); err != nil {
		return err
	}

	// [calls.chat]
	for _, call := range choice.Message.ToolCalls {
		fmt.Println(call.Function.Name, call.Function.Arguments)
	}

	// [calls.respond]
	if item.Type == "function_call" {
		fmt.Println(item.Name, item.Arguments)
	}

	// [stream]
	finished := false
	err = events(reply, func(one event) {
		// __DELTA__
	})
	if err != nil {
		return err
	}
	fmt.Println()
	if !finished {
		return errors.New("the stream was cut")
	}

	// [delta.chat]
	for _, choice := range one.Choices {
		fmt.Print(choice.Delta.Content)
		// __CALLS__
		finished = finished || choice.FinishReason != ""
	}

	// [delta.complete]
	for _, choice := range one.Choices {
		fmt.Print(choice.Text)
		finished = finished || choice.FinishReason != ""
	}

	// [delta.respond]
	if one.Type == "response.output_text.delta" {
		fmt.Print(one.Delta)
	}
	// __CALLS__
	finished = finished || one.Type == "response.completed" || one.Type == "response.incomplete"

	// [delta.transcribe]
	if one.Type == "transcript.text.delta" {
		fmt.Print(one.Delta)
	}
	finished = finished || one.Type == "transcript.text.done"

	// [delta.messages]
	if one.ContentBlock.Type == "tool_use" {
		fmt.Print("\n", one.ContentBlock.Name, " ")
	}
	fmt.Print(one.Delta.Text, one.Delta.PartialJSON)
	finished = finished || one.Type == "message_stop"

	// [delta.generate]
	for _, candidate := range one.Candidates {
		for _, part := range candidate.Content.Parts {
			if part.FunctionCall != nil {
				fmt.Println(string(part.FunctionCall))
			}
			if !part.Thought {
				fmt.Print(part.Text)
			}
		}
		finished = finished || candidate.FinishReason != ""
	}

	// [call_delta.chat]
	for _, call := range choice.Delta.ToolCalls {
		if call.Function.Name != "" {
			fmt.Print("\n", call.Function.Name, " ")
		}
		fmt.Print(call.Function.Arguments)
	}

	// [call_delta.respond]
	if one.Type == "response.output_item.done" && one.Item.Type == "function_call" {
		fmt.Printf("\n%s %s\n", one.Item.Name, one.Item.Arguments)
	}

	// [checked_value]
	__NAME__, err := __EXPRESSION__
	if err != nil {
		return err
	}
	// [end]
}
