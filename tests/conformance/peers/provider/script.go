package provider

import "keymount.test/peers/wire"

// Script is what the provider shall do about a Mount. It stands as JSON in the parameter `script` of the class, so
// that every test has its own behaviour of one and the same provider process.
type Script struct {
	// Reply is the MountResponse.
	Reply wire.Fields `json:"reply,omitempty"`
	// Bulk adds a file `bulk` of so many bytes to the reply.
	Bulk int `json:"bulk,omitempty"`
	// Write are files that the provider writes below the target path itself.
	Write map[string]string `json:"write,omitempty"`
	// Code and Message make the call fail; the message is padded to Padding bytes.
	Code    uint32 `json:"code,omitempty"`
	Message string `json:"message,omitempty"`
	Padding int    `json:"padding,omitempty"`
	// Unavailable is how many calls for a volume are answered with UNAVAILABLE before anything else happens.
	Unavailable int `json:"unavailable,omitempty"`
	// Hold delays the answer until the caller goes away, or until the file at this path exists.
	Hold string `json:"hold,omitempty"`
}

// File is a file of a reply.
func File(path string, mode int, contents string) wire.Fields {
	return wire.Fields{"path": path, "mode": mode, "contents": []byte(contents)}
}

// Version is an object version of a reply.
func Version(id, version string) wire.Fields {
	return wire.Fields{"id": id, "version": version}
}

// Files is a reply of files, with one object version.
func Files(files ...wire.Fields) Script {
	return Script{Reply: wire.Fields{"object_version": []any{Version("peer/object", "1")}, "files": files}}
}

// Call is one line of the journal: a call as it arrived.
type Call struct {
	Method, Authority, ContentType string
	// Deadline is whether the caller has set one.
	Deadline bool
	// UnknownBytes are bytes in fields that the contract does not have.
	UnknownBytes int
	// The fields of a MountRequest as they are.
	Attributes, Secrets, TargetPath, Permission string
	Current                                     []any
	// Abandoned is set in a second line for a call whose caller has gone away.
	Abandoned bool
}
