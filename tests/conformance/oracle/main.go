// Oracle records what Go's own parsers make of an input, so that the tests of the Rust crates can
// compare themselves with Go where no Go is installed. See README.md.
package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
)

// A line of a golden file. The input is Text, Bytes (in base64), or the content of File, a path from the
// golden file's directory. Want or Error is Go's answer. A line whose Differs is set names the reason
// why the Rust code answers Ours instead.
type line struct {
	Name    string          `json:"name"`
	Op      string          `json:"op"`
	Text    *string         `json:"text,omitempty"`
	Bytes   []byte          `json:"bytes,omitempty"`
	File    string          `json:"file,omitempty"`
	Want    json.RawMessage `json:"want,omitempty"`
	Error   *string         `json:"error,omitempty"`
	Differs string          `json:"differs,omitempty"`
	Ours    string          `json:"ours,omitempty"`
}

// An operation answers an input. What it returns is recorded as JSON.
type operation func(input []byte) (any, error)

var operations = map[string]operation{
	"yaml-array":  yamlArray,
	"yaml-object": yamlObject,
	"json-map":    jsonMap,
	"json-mode":   jsonMode,
	"pem":         pemBlocks,
	"split":       splitPEM,
	"key-ids":     keyIDs,
	"base64":      decodeBase64,
	"hex":         decodeHex,
	"private-key": privateKey,
	"pfx":         convertPFX,
	"jwk":         publicKey,
	"tls-crt":     tlsCertificate,
	"tls-key":     tlsKey,
}

func main() {
	check := flag.Bool("check", false, "compare instead of writing")
	flag.Parse()
	drift := false
	for _, path := range flag.Args() {
		changed, err := refresh(path, *check)
		if err != nil {
			fmt.Fprintf(os.Stderr, "oracle: %s: %v\n", path, err)
			os.Exit(1)
		}
		drift = drift || changed
	}
	if *check && drift {
		os.Exit(1)
	}
}

// refresh asks every case of a golden file again, and tells whether an answer has changed.
func refresh(path string, check bool) (bool, error) {
	before, err := os.ReadFile(path)
	if err != nil {
		return false, err
	}
	after, err := answerAll(path, before)
	if err != nil || bytes.Equal(before, after) {
		return false, err
	}
	fmt.Println("changed:", path)
	if check {
		return true, nil
	}
	return true, os.WriteFile(path, after, 0o644)
}

func answerAll(path string, golden []byte) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	decoder := json.NewDecoder(bytes.NewReader(golden))
	for decoder.More() {
		var c line
		if err := decoder.Decode(&c); err != nil {
			return nil, err
		}
		if err := answer(path, &c); err != nil {
			return nil, fmt.Errorf("case %q: %w", c.Name, err)
		}
		if err := encoder.Encode(&c); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

func answer(path string, c *line) error {
	ask, known := operations[c.Op]
	if !known {
		return fmt.Errorf("unknown operation %q", c.Op)
	}
	input, err := c.input(path)
	if err != nil {
		return err
	}
	c.Want, c.Error = nil, nil
	value, err := guarded(ask, input)
	if err != nil {
		text := err.Error()
		c.Error = &text
		return nil
	}
	var want bytes.Buffer
	encoder := json.NewEncoder(&want)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return err
	}
	c.Want = bytes.TrimSpace(want.Bytes())
	return nil
}

// guarded turns a panic of the library into an answer.
func guarded(ask operation, input []byte) (value any, err error) {
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("panic: %v", reason)
		}
	}()
	return ask(input)
}
