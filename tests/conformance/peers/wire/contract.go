// Package wire speaks the contracts from their field tables alone: no .proto file of the project, no generated
// code. Messages are built and read as JSON-like values, so that a test shows what goes over the wire.
package wire

import (
	"fmt"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// method is one unary call of a contract.
type method struct {
	service, name string
	input, output protoreflect.MessageDescriptor
}

var (
	messages = map[protoreflect.FullName]protoreflect.MessageDescriptor{}
	// By "/package.Service/Method".
	methods = map[string]method{}
)

func init() {
	for _, table := range tables {
		if err := load(table); err != nil {
			panic(err)
		}
	}
}

// load reads one table into the descriptors.
func load(table string) error {
	file := &descriptorpb.FileDescriptorProto{Syntax: proto.String("proto3")}
	var message *descriptorpb.DescriptorProto
	var service *descriptorpb.ServiceDescriptorProto
	for number, line := range strings.Split(table, "\n") {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == "package":
			file.Package = proto.String(words[1])
			file.Name = proto.String(words[1] + ".table")
		case words[0] == "message":
			message, service = &descriptorpb.DescriptorProto{Name: proto.String(words[1])}, nil
			file.MessageType = append(file.MessageType, message)
		case words[0] == "service":
			message, service = nil, &descriptorpb.ServiceDescriptorProto{Name: proto.String(words[1])}
			file.Service = append(file.Service, service)
		case message != nil && len(words) == 3:
			if err := addField(file, message, words); err != nil {
				return fmt.Errorf("%s, line %d: %w", file.GetName(), number, err)
			}
		case service != nil && len(words) == 3:
			service.Method = append(service.Method, &descriptorpb.MethodDescriptorProto{
				Name:       proto.String(words[0]),
				InputType:  proto.String(qualified(file, words[1])),
				OutputType: proto.String(qualified(file, words[2])),
			})
		default:
			return fmt.Errorf("%s, line %d: cannot read %q", file.GetName(), number, line)
		}
	}
	descriptor, err := protodesc.NewFile(file, nil)
	if err != nil {
		return err
	}
	for i := range descriptor.Messages().Len() {
		m := descriptor.Messages().Get(i)
		messages[m.FullName()] = m
	}
	for i := range descriptor.Services().Len() {
		s := descriptor.Services().Get(i)
		for j := range s.Methods().Len() {
			m := s.Methods().Get(j)
			methods[fmt.Sprintf("/%s/%s", s.FullName(), m.Name())] =
				method{string(s.FullName()), string(m.Name()), m.Input(), m.Output()}
		}
	}
	return nil
}

func qualified(file *descriptorpb.FileDescriptorProto, name string) string {
	return "." + file.GetPackage() + "." + name
}

var scalars = map[string]descriptorpb.FieldDescriptorProto_Type{
	"string": descriptorpb.FieldDescriptorProto_TYPE_STRING,
	"bytes":  descriptorpb.FieldDescriptorProto_TYPE_BYTES,
	"bool":   descriptorpb.FieldDescriptorProto_TYPE_BOOL,
	"int32":  descriptorpb.FieldDescriptorProto_TYPE_INT32,
	"int64":  descriptorpb.FieldDescriptorProto_TYPE_INT64,
}

// addField adds a row: number, name, type.
func addField(file *descriptorpb.FileDescriptorProto, message *descriptorpb.DescriptorProto, row []string) error {
	number, err := strconv.ParseInt(row[0], 10, 32)
	if err != nil {
		return err
	}
	field := &descriptorpb.FieldDescriptorProto{
		Name:   proto.String(row[1]),
		Number: proto.Int32(int32(number)),
		Label:  descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
	}
	typeName, repeated := strings.CutPrefix(row[2], "[]")
	if repeated || typeName == "map" {
		field.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	}
	scalar, isScalar := scalars[typeName]
	switch {
	case isScalar:
		field.Type = scalar.Enum()
	case typeName == "map":
		entry := mapEntry(row[1])
		message.NestedType = append(message.NestedType, entry)
		field.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
		field.TypeName = proto.String(qualified(file, message.GetName()) + "." + entry.GetName())
	default:
		field.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
		field.TypeName = proto.String(qualified(file, typeName))
	}
	message.Field = append(message.Field, field)
	return nil
}

// mapEntry is the message that a map<string,string> is a list of.
func mapEntry(field string) *descriptorpb.DescriptorProto {
	text := func(number int32, name string) *descriptorpb.FieldDescriptorProto {
		return &descriptorpb.FieldDescriptorProto{
			Name: proto.String(name), Number: proto.Int32(number),
			Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
			Type:  descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
		}
	}
	name := ""
	for _, part := range strings.Split(field, "_") {
		name += strings.ToUpper(part[:1]) + part[1:]
	}
	return &descriptorpb.DescriptorProto{
		Name:    proto.String(name + "Entry"),
		Field:   []*descriptorpb.FieldDescriptorProto{text(1, "key"), text(2, "value")},
		Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)},
	}
}
