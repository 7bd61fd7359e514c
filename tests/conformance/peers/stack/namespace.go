package stack

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"unsafe"
)

// isolated is set in a process that has its own namespaces: "root", or "user" where it is only root in a user
// namespace.
const isolated = "KEYMOUNT_ISOLATED"

// isolate starts this program again in a mount and a network namespace of its own, as root or in a user
// namespace. Mounts, ports and host names of the tests are then nobody else's.
func isolate() {
	if os.Getenv(isolated) != "" {
		if err := loopback(); err != nil {
			fail(fmt.Errorf("cannot bring the loopback interface up: %w", err))
		}
		return
	}
	self, err := os.Executable()
	if err != nil {
		fail(err)
	}
	var refusals []string
	for _, kind := range []string{"root", "user"} {
		arguments := []string{"unshare", "--mount", "--propagation", "private", "--net"}
		if kind == "user" {
			arguments = append(arguments, "--user", "--map-root-user")
		}
		if output, err := exec.Command("unshare", append(arguments[1:], "true")...).CombinedOutput(); err != nil {
			refusals = append(refusals, fmt.Sprintf("%s: %v: %s", kind, err, strings.TrimSpace(string(output))))
			continue
		}
		path, err := exec.LookPath("unshare")
		if err != nil {
			fail(err)
		}
		arguments = append(append(arguments, "--", self), os.Args[1:]...)
		fail(syscall.Exec(path, arguments, append(os.Environ(), isolated+"="+kind)))
	}
	fail(fmt.Errorf("these tests mount file systems and need a mount and a network namespace (unshare of util-linux, as "+
		"root or with user namespaces allowed): %s", strings.Join(refusals, "; ")))
}

// Root says whether the tests run as the machine's root, not only as root of a user namespace.
func Root() bool { return os.Getenv(isolated) == "root" }

// loopback brings the interface lo up, as `ip link set lo up` does.
func loopback() error {
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(socket)
	// struct ifreq
	request := struct {
		name  [syscall.IFNAMSIZ]byte
		flags uint16
		rest  [22]byte
	}{flags: syscall.IFF_UP | syscall.IFF_RUNNING}
	copy(request.name[:], "lo")
	_, _, failure := syscall.Syscall(syscall.SYS_IOCTL, uintptr(socket), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&request)))
	if failure != 0 {
		return failure
	}
	return nil
}

// AddAddress gives the loopback interface of this namespace another address under a label such as "lo:name", as
// `ip address add … dev lo` does.
func AddAddress(label string, address [4]byte) error {
	if os.Getenv(isolated) == "" {
		return fmt.Errorf("not in a namespace of its own")
	}
	socket, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(socket)
	// struct ifreq
	request := struct {
		name    [syscall.IFNAMSIZ]byte
		address syscall.RawSockaddrInet4
		rest    [8]byte
	}{address: syscall.RawSockaddrInet4{Family: syscall.AF_INET, Addr: address}}
	copy(request.name[:], label)
	_, _, failure := syscall.Syscall(syscall.SYS_IOCTL, uintptr(socket), syscall.SIOCSIFADDR, uintptr(unsafe.Pointer(&request)))
	if failure != 0 {
		return failure
	}
	return nil
}
