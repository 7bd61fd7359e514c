//go:build tools

// Package tools pins Argo CD; build.sh builds it.
package tools

import _ "github.com/argoproj/argo-cd/v3/cmd"
