package main

import (
	"os"
	"path/filepath"
)

func (c *line) input(golden string) ([]byte, error) {
	switch {
	case c.Text != nil:
		return []byte(*c.Text), nil
	case c.File != "":
		return os.ReadFile(filepath.Join(filepath.Dir(golden), c.File))
	default:
		return c.Bytes, nil
	}
}
