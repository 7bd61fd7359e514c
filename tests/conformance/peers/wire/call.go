package wire

import (
	"context"
	"fmt"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Call makes a unary call, for example of "/csi.v1.Identity/Probe".
func Call(ctx context.Context, conn grpc.ClientConnInterface, path string, fields Fields, options ...grpc.CallOption) (Fields, error) {
	method, known := methods[path]
	if !known {
		panic(fmt.Sprintf("no method %s in the tables", path))
	}
	return Send(ctx, conn, path, build(method.input, fields), options...)
}

// Send makes a unary call with a message that is built already.
func Send(ctx context.Context, conn grpc.ClientConnInterface, path string, request proto.Message, options ...grpc.CallOption) (Fields, error) {
	reply := dynamicpb.NewMessage(methods[path].output)
	if err := conn.Invoke(ctx, path, request, reply, options...); err != nil {
		return nil, err
	}
	return Read(reply), nil
}

// Handler answers the calls of a service, by the name of the method.
type Handler func(ctx context.Context, method string, request proto.Message) (Fields, error)

// Serve registers a service of the tables. Its methods must be handled all; what the handler does not know it
// answers with UNIMPLEMENTED itself.
func Serve(server *grpc.Server, service string, handler Handler) {
	description := grpc.ServiceDesc{ServiceName: service, HandlerType: (*any)(nil)}
	for _, m := range methods {
		if m.service != service {
			continue
		}
		description.Methods = append(description.Methods, grpc.MethodDesc{
			MethodName: m.name,
			Handler: func(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
				request := dynamicpb.NewMessage(m.input)
				if err := decode(request); err != nil {
					return nil, err
				}
				reply, err := handler(ctx, m.name, request)
				if err != nil {
					return nil, err
				}
				return build(m.output, reply), nil
			},
		})
	}
	if len(description.Methods) == 0 {
		panic("no service " + service + " in the tables")
	}
	server.RegisterService(&description, nil)
}
