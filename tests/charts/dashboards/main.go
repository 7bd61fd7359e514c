// Reads Grafana dashboards with Grafana's own types: a field that its schema does not know, or a value that it does not allow, is an error.
package main

import (
	"fmt"
	"os"

	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
)

func main() {
	plugins.RegisterDefaultPlugins()
	failed := false
	for _, path := range os.Args[1:] {
		panels, err := check(path)
		if err != nil {
			failed = true
			fmt.Fprintf(os.Stderr, "%s: %v\n", path, err)
			continue
		}
		fmt.Printf("%s: %d panels\n", path, panels)
	}
	if failed {
		os.Exit(1)
	}
}

func check(path string) (int, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	board := dashboard.Dashboard{}
	if err := found(board.UnmarshalJSONStrict(raw)); err != nil {
		return 0, err
	}
	return len(board.Panels), found(board.Validate())
}

// found is none for an empty list of errors, which is not nil where it is returned as an error.
func found(err error) error {
	if errs, ok := err.(cog.BuildErrors); ok && len(errs) == 0 {
		return nil
	}
	return err
}
