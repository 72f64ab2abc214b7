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

The messages of a bootstrap, of what ` + "`translate`" + ` makes and of what an EnvoyFilter can put there, those included that are packed in an Any.
A packed message that is not here is refused by its type. Where a message is read in another way in one place, that place has a list of its own,
under the name of the field.

- **run**: carried out as Envoy does it, but for [differences.md](differences.md) and single values that are refused with their names.
- **without effect**: taken, for requests do not notice (statistics, tuning, tracing without a provider).
- **refused**: an error (CG0302) that names the field; what depends on it is not served. Nothing is left aside in silence.
`)
	for _, m := range engine.Messages() {
		fmt.Fprintf(&b, "\n## %s\n\n", m.Name)
		if len(m.Fields) == 0 {
			b.WriteString("It has no fields.\n")
		}
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
