// Needs Go 1.20 or newer: go run main.go
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"strings"
	"time"
)

const endpoint = __URL__
// __CONSTANT__

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
	// __REFUSAL__
	// __BODY__
	ctx, cancel := context.WithTimeout(context.Background(), __TIMEOUT__*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, __METHOD__, endpoint, __READER__)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+key)
	// __HEADERS__
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
	// __ANSWER__
	return nil
}
// __FUNCTIONS__
