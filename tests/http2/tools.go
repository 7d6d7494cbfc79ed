//go:build tools

// Package tools pins the public HTTP/2 conformance tool that scripts/check-http2 builds.
package tools

import _ "github.com/summerwind/h2spec/cmd/h2spec"
