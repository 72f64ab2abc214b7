package check

import "fmt"

// listed is an item of one of a policy's lists of names.
type listed struct {
	path, name string
}

func items(path string, list []string, keep func(string) bool) []listed {
	var out []listed
	for i, name := range list {
		if keep(name) {
			out = append(out, listed{fmt.Sprintf("%s[%d]", path, i), name})
		}
	}
	return out
}

func isStar(s string) bool { return s == "*" }
