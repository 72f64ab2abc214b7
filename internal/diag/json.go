package diag

import (
	"encoding/json"
	"io"
	"slices"
)

// WriteJSON prints the diagnostics as one JSON array of objects, in the order of
// List.Sort and [] when there are none. The fields of an object:
//
//	position  {"file", "line", "column"}; those that are not known are absent
//	severity  "error", "warning" or "info"
//	code      "IST0106", "CG0002", …
//	object    "Kind namespace/name"; absent where it is about no object
//	path      "spec.http[0].corsPolicy"; absent where it is about no field
//	message   one sentence
//	related   [{"position", "message"}]; absent when empty
//	witnesses ["https://evil.test"], inputs that show the finding; absent when empty
//	fix       {"key", "old", "new"}, what --fix writes; absent where nothing is certain
//
// Fields may be added, none will be renamed or removed.
func WriteJSON(w io.Writer, l List) error {
	l = slices.Clone(l)
	if l == nil {
		l = List{}
	}
	l.Sort()
	for i := range l {
		l[i].Message = cut(l[i].Message)
	}
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(l)
}
