// Package provider is a provider that no driver has met: written from the field table of the provider API, strict
// about everything the contract says of a request, and told by each class how to answer.
package provider

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"keymount.test/peers/wire"
)

type service struct {
	journal *journal
	lock    sync.Mutex
	// Calls so far by target path.
	calls map[string]int
}

func (s *service) handle(ctx context.Context, method string, request proto.Message) (wire.Fields, error) {
	fields := wire.Read(request)
	call := arrived(ctx, method, fields)
	call.UnknownBytes = wire.Unknown(request)
	s.journal.write(call)
	if call.Authority != "localhost" {
		return nil, status.Errorf(codes.InvalidArgument, ":authority is %q, not localhost", call.Authority)
	}
	switch method {
	case "Version":
		if fields["version"] != "v1alpha1" {
			return nil, status.Errorf(codes.InvalidArgument, "version is %v", fields["version"])
		}
		return wire.Fields{"version": "v1alpha1", "runtime_name": "peer", "runtime_version": "1"}, nil
	case "Mount":
		return s.mount(ctx, call)
	}
	return nil, status.Error(codes.Unimplemented, method)
}

// arrived describes a call.
func arrived(ctx context.Context, method string, fields wire.Fields) Call {
	header, _ := metadata.FromIncomingContext(ctx)
	text := func(name string) string { value, _ := fields[name].(string); return value }
	_, deadline := ctx.Deadline()
	current, _ := fields["current_object_version"].([]any)
	return Call{
		Method: method, Deadline: deadline, Current: current,
		Authority: strings.Join(header[":authority"], ","), ContentType: strings.Join(header["content-type"], ","),
		Attributes: text("attributes"), Secrets: text("secrets"),
		TargetPath: text("target_path"), Permission: text("permission"),
	}
}

func (s *service) mount(ctx context.Context, call Call) (wire.Fields, error) {
	script, err := check(call)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	if s.count(call.TargetPath) <= script.Unavailable {
		return nil, status.Error(codes.Unavailable, "the provider is starting")
	}
	if script.Hold != "" && !held(ctx, script.Hold) {
		call.Abandoned = true
		s.journal.write(call)
		return nil, status.FromContextError(ctx.Err()).Err()
	}
	if script.Code != 0 {
		message := script.Message + strings.Repeat("x", max(0, script.Padding-len(script.Message)))
		return nil, status.Error(codes.Code(script.Code), message)
	}
	for path, contents := range script.Write {
		path = filepath.Join(call.TargetPath, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return nil, status.Error(codes.Internal, err.Error())
		}
		if err := os.WriteFile(path, []byte(contents), 0o644); err != nil {
			return nil, status.Error(codes.Internal, err.Error())
		}
	}
	if script.Bulk > 0 {
		files, _ := script.Reply["files"].([]any)
		script.Reply["files"] = append(files, File("bulk", 0o644, strings.Repeat("x", script.Bulk)))
	}
	return script.Reply, nil
}

// check holds a request to the contract, and reads the script in it.
func check(call Call) (script Script, err error) {
	var attributes, secrets map[string]string
	var permission os.FileMode
	if err := json.Unmarshal([]byte(call.Attributes), &attributes); err != nil {
		return script, fmt.Errorf("attributes: %w", err)
	}
	if err := json.Unmarshal([]byte(call.Secrets), &secrets); err != nil {
		return script, fmt.Errorf("secrets: %w", err)
	}
	if err := json.Unmarshal([]byte(call.Permission), &permission); err != nil {
		return script, fmt.Errorf("permission: %w", err)
	}
	if !filepath.IsAbs(call.TargetPath) || filepath.Clean(call.TargetPath) != call.TargetPath {
		return script, fmt.Errorf("target path: %q", call.TargetPath)
	}
	if call.UnknownBytes > 0 {
		return script, fmt.Errorf("%d bytes in fields that v1alpha1 does not have", call.UnknownBytes)
	}
	if err := json.Unmarshal([]byte(attributes["script"]), &script); err != nil {
		return script, fmt.Errorf("script: %w", err)
	}
	return script, nil
}

func (s *service) count(target string) int {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.calls == nil {
		s.calls = map[string]int{}
	}
	s.calls[target]++
	return s.calls[target]
}

// held waits until the file is there; false if the caller does not wait so long.
func held(ctx context.Context, path string) bool {
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		if _, err := os.Stat(path); err == nil {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		}
	}
}
