package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/crossgate/crossgate/internal/engine"
)

// enginePage lists what the engine does with the fields of Envoy's API.
func enginePage() []byte {
	var b bytes.Buffer
	b.WriteString(generated + `# What the engine runs of Envoy's API

The messages of a bootstrap, of what ` + "`translate`" + ` makes and of what an EnvoyFilter can put there, as far as the engine goes through their
fields one by one. A message that is not here (a matcher, a filter's own configuration, a log's format) is compiled as a whole, and refused where
something in it is not known.

- **run**: carried out as Envoy does it, but for [differences.md](differences.md) and single values that are refused with their names.
- **without effect**: taken, for requests do not notice (statistics, tuning, tracing without a provider).
- **refused**: an error (CG0302) that names the field; what depends on it is not served. Nothing is left aside in silence.
`)
	for _, m := range engine.Messages() {
		fmt.Fprintf(&b, "\n## %s\n\n", m.Name)
		for _, s := range []engine.FieldSupport{engine.FieldRun, engine.FieldAside, engine.FieldRefused} {
			var names []string
			for _, f := range m.Fields {
				if f.Support == s {
					names = append(names, "`"+f.Name+"`")
				}
			}
			if names != nil {
				fmt.Fprintf(&b, "- %s: %s\n", s, strings.Join(names, ", "))
			}
		}
	}
	return b.Bytes()
}
