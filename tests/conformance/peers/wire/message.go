package wire

import (
	"encoding/json"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Fields are the fields of a message by name, as in JSON: maps, lists, strings, numbers (int64 as a string),
// booleans, []byte (base64 when read). A field that has its default value is left out when read.
type Fields = map[string]any

// New builds a message of a contract. A field that is not in the table is a mistake of the caller.
func New(name protoreflect.FullName, fields Fields) *dynamicpb.Message {
	descriptor, known := messages[name]
	if !known {
		panic(fmt.Sprintf("no message %s in the tables", name))
	}
	return build(descriptor, fields)
}

func build(descriptor protoreflect.MessageDescriptor, fields Fields) *dynamicpb.Message {
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	message := dynamicpb.NewMessage(descriptor)
	if fields == nil {
		return message
	}
	if err := protojson.Unmarshal(text, message); err != nil {
		panic(fmt.Sprintf("%s: %v", descriptor.FullName(), err))
	}
	return message
}

// Read gives the fields of a message.
func Read(message proto.Message) Fields {
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(message)
	if err != nil {
		panic(err)
	}
	fields := Fields{}
	if err := json.Unmarshal(text, &fields); err != nil {
		panic(err)
	}
	return fields
}

// Unknown counts the bytes in fields that the tables do not have.
func Unknown(message proto.Message) int {
	count := 0
	visit(message.ProtoReflect(), func(m protoreflect.Message) { count += len(m.GetUnknown()) })
	return count
}

// AddUnknown puts fields of every wire type into the message and all messages in it, as a sender with a newer
// version of the contract would.
func AddUnknown(message proto.Message) {
	const number = 1000
	var bytes []byte
	bytes = protowire.AppendVarint(protowire.AppendTag(bytes, number, protowire.VarintType), 1<<40)
	bytes = protowire.AppendFixed32(protowire.AppendTag(bytes, number+1, protowire.Fixed32Type), 7)
	bytes = protowire.AppendFixed64(protowire.AppendTag(bytes, number+2, protowire.Fixed64Type), 7)
	bytes = protowire.AppendString(protowire.AppendTag(bytes, number+3, protowire.BytesType), "of a later version")
	bytes = protowire.AppendTag(bytes, number+4, protowire.StartGroupType)
	bytes = protowire.AppendTag(bytes, number+4, protowire.EndGroupType)
	visit(message.ProtoReflect(), func(m protoreflect.Message) { m.SetUnknown(bytes) })
}

// visit looks at a message and all messages in it.
func visit(message protoreflect.Message, look func(protoreflect.Message)) {
	look(message)
	message.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.IsMap() || field.Message() == nil:
		case field.IsList():
			for i := range value.List().Len() {
				visit(value.List().Get(i).Message(), look)
			}
		default:
			visit(value.Message(), look)
		}
		return true
	})
}
