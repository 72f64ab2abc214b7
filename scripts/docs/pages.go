package main

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/crossgate/crossgate/internal/check"
)

const generated = "<!-- Written by go run ./scripts/docs; do not edit. -->\n\n"

// fieldsPage lists what is not built of the kinds that are translated.
func fieldsPage() []byte {
	var b bytes.Buffer
	b.WriteString(generated + `# Fields that are not built yet

What istiod's translation of the kinds below takes notice of and crossgate's does not yet. ` + "`analyze`" + ` and ` + "`serve`" + ` report each use
of such a field with file, line and column; a field that is too new for this table is reported as a warning. A field stands
for all that is below it.

- **error**: the field guards something. It is never left out in silence: ` + "`serve`" + ` refuses unless ` + "`--allow-unenforced`" + `.
- **left out**: what depends on it (a route, a server of a Gateway) is left out, with an error; the rest is served.
- **warning**: the field has no effect, and the rest of the object works without it.
`)
	fields := check.Fields()
	slices.SortStableFunc(fields, func(a, c check.Field) int { return cmp.Compare(a.Kind, c.Kind) })
	kind := ""
	for _, f := range fields {
		if f.State == check.Built {
			continue
		}
		if f.Kind != kind {
			kind = f.Kind
			fmt.Fprintf(&b, "\n## %s\n\n| field | what happens | what is missing |\n|---|---|---|\n", kind)
		}
		fmt.Fprintf(&b, "| `%s`%s | %s | %s |\n", f.Path, except(f), stateWords(f.State), f.Why)
	}
	b.WriteString(`
Kinds that guard something and are not enforced at all (AuthorizationPolicy, RequestAuthentication, PeerAuthentication,
WasmPlugin and the others of ` + "`security.istio.io` and `extensions.istio.io`" + `) are errors as a whole. Kinds without
effect on traffic are noted in one line each.
`)
	return b.Bytes()
}

func except(f check.Field) string {
	if len(f.Except) == 0 {
		return ""
	}
	return " other than `" + strings.Join(f.Except, "`, `") + "`"
}

func stateWords(s check.State) string {
	switch s {
	case check.Unenforced:
		return "error"
	case check.Refused:
		return "left out"
	}
	return "warning"
}

// codesPage lists the codes of diagnostics, and what the checks look for.
func codesPage() []byte {
	var b bytes.Buffer
	b.WriteString(generated + `# Codes of diagnostics

Each diagnostic ends with a code in brackets. ` + "`IST` codes are those that Istio's analyzer uses for the same; `CG`" + ` codes are
crossgate's own.

| code | meaning |
|---|---|
`)
	paged := check.Paged()
	for _, c := range check.Codes() {
		id := c.ID
		if slices.Contains(paged, id) {
			id = fmt.Sprintf("[%s](codes/%s.md)", id, id)
		}
		fmt.Fprintf(&b, "| %s | %s |\n", id, c.Doc)
	}
	b.WriteString("\n## Checks\n\nBeside the form of the documents, these are looked for:\n\n| check | code | what it finds |\n|---|---|---|\n")
	for _, c := range check.Suite() {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", c.Name, c.Code, c.Doc)
	}
	return b.Bytes()
}
