package provider

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"google.golang.org/grpc"

	"keymount.test/peers/wire"
)

// How a process is told that it is the provider, where to listen, and where to keep the journal.
const (
	socketVariable  = "PEER_PROVIDER_SOCKET"
	journalVariable = "PEER_PROVIDER_JOURNAL"
)

// Environment makes a process with a call of Main in it a provider.
func Environment(socket, journal string) []string {
	return []string{socketVariable + "=" + socket, journalVariable + "=" + journal}
}

// Wanted says whether this process shall be a provider.
func Wanted() bool { return os.Getenv(socketVariable) != "" }

// Main serves until SIGTERM. Once it listens it says so on standard output.
func Main() {
	socket := os.Getenv(socketVariable)
	_ = os.Remove(socket)
	listener, err := net.Listen("unix", socket)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	file, err := os.OpenFile(os.Getenv(journalVariable), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	const unlimited = 1 << 30
	server := grpc.NewServer(grpc.MaxRecvMsgSize(unlimited))
	journal := &journal{file: file}
	wire.Serve(server, "v1alpha1.CSIDriverProvider", (&service{journal: journal}).handle)
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		server.Stop()
	}()
	fmt.Println("listening")
	_ = server.Serve(counted{listener, journal})
}

// counted enters each connection into the journal, as a call of Dialled.
type counted struct {
	net.Listener
	journal *journal
}

// Dialled is the method of a journal's line about a connection.
const Dialled = "(dialled)"

func (l counted) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.journal.write(Call{Method: Dialled})
	}
	return conn, err
}

// journal writes a line for each call, and flushes it before the call is answered.
type journal struct {
	lock sync.Mutex
	file *os.File
}

func (j *journal) write(call Call) {
	line, err := json.Marshal(call)
	if err != nil {
		panic(err)
	}
	j.lock.Lock()
	defer j.lock.Unlock()
	_, _ = j.file.Write(append(line, '\n'))
}
