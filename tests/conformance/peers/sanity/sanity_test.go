// Package sanity runs the CSI project's own conformance suite, csi-sanity, against a driver.
package sanity

import (
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"

	"keymount.test/peers/stack"
)

func TestMain(m *testing.M) { stack.Main(m) }

// skipped is the one case that is left out by name. It publishes a volume and never says that it shall be
// read-only, which this driver has to refuse: secrets are not written back. (The Go driver refuses it too.) What the
// case is about, TestUnpublishIsIdempotent and TestRepublishChangesNothing of the package `driver` show.
const skipped = "Node Service NodeUnpublishVolume should remove target path"

// spec is a test case in the report of csi-sanity.
type spec struct {
	ContainerHierarchyTexts []string
	LeafNodeText            string
	State                   string
	Failure                 struct{ Message string }
}

func (s spec) name() string {
	return strings.Join(append(s.ContainerHierarchyTexts, s.LeafNodeText), " ")
}

// notAdvertised says whether csi-sanity has skipped a case because the driver does not claim to have the feature.
func notAdvertised(reason string) bool {
	return strings.Contains(reason, "not supported") || strings.Contains(reason, "does not have")
}

func TestCSISanity(t *testing.T) {
	program := os.Getenv("CSI_SANITY")
	if program == "" {
		t.Skip("CSI_SANITY is not set; tests/conformance/csi/run.sh installs it")
	}
	node := stack.NewNode(t)
	controller, report := node.Directory+"/controller.sock", node.Directory+"/report.json"
	serveController(t, controller)
	// Idempotency is tested ten times over; that is its default.
	command := exec.Command(program, "--csi.endpoint="+node.Socket, "--csi.controllerendpoint="+controller,
		"--csi.mountdir="+node.Directory+"/mount", "--csi.stagingdir="+node.Directory+"/staging",
		"--ginkgo.skip="+skipped+"$", "--ginkgo.json-report="+report, "--ginkgo.no-color", "--ginkgo.succinct")
	output, failure := command.CombinedOutput()

	text, err := os.ReadFile(report)
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	var suites []struct{ SpecReports []spec }
	if err := json.Unmarshal(text, &suites); err != nil {
		t.Fatal(err)
	}
	counts, reasons := map[string]int{}, map[string]int{}
	var byName []string
	for _, spec := range suites[0].SpecReports {
		if spec.LeafNodeText == "" {
			continue
		}
		counts[spec.State]++
		switch {
		case spec.State == "passed":
			t.Logf("passed: %s", spec.name())
		case spec.State == "skipped" && spec.Failure.Message == "":
			byName = append(byName, spec.name())
		case spec.State == "skipped" && notAdvertised(spec.Failure.Message):
			reasons[spec.Failure.Message]++
		case spec.State == "pending":
			reasons["pending in csi-sanity"]++
		default:
			t.Errorf("%s: %s: %s", spec.State, spec.name(), spec.Failure.Message)
		}
	}
	t.Logf("skipped by name: %s", strings.Join(byName, ", "))
	for reason, count := range reasons {
		t.Logf("skipped by csi-sanity itself, %d cases: %s", count, reason)
	}
	t.Logf("%v", counts)
	if failure != nil {
		t.Errorf("csi-sanity: %v\n%s", failure, output)
	}
	if len(byName) != 1 || byName[0] != skipped {
		t.Errorf("skipped by name: %v", byName)
	}
	if counts["passed"] < 20 {
		t.Errorf("only %d cases ran", counts["passed"])
	}
}
