package resource

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/crossgate/crossgate/internal/diag"
)

// validator applies what istiod's own validation refuses (its package
// pkg/config/validation) to one decoded object, with the place of each value.
type validator struct {
	*Resource
	diags diag.List
}

func (v *validator) errorf(path, format string, args ...any) {
	v.diags = append(v.diags, diag.Diagnostic{
		Pos: v.At(path), Severity: diag.Error, Code: CodeSchema, Object: v.Key.String(), Path: path,
		Message: fmt.Sprintf(format, args...),
	})
}

// annotations refuses those with which istiod refuses every object.
func (v *validator) annotations() {
	for _, name := range []string{
		"istio.io/dry-run", "internal.istio.io/webhook-always-reject",
		"internal.istio.io/parent-namespace", "internal.istio.io/parents",
	} {
		if _, ok := v.Annotations[name]; ok {
			v.errorf(join("metadata.annotations", name), "the annotation %s is not allowed here", name)
		}
	}
}

// check reports an error of a rule at path, if there is one.
func (v *validator) check(path string, err error) {
	if err != nil {
		v.errorf(path, "%s", err)
	}
}

// duration checks a span of time, if there is one.
func (v *validator) duration(d *durationpb.Duration, path string) {
	if d != nil {
		v.check(path, validDuration(d))
	}
}

// needsDuration checks a span of time that must be given.
func (v *validator) needsDuration(d *durationpb.Duration, path string) {
	if d == nil {
		v.errorf(path, "%s is required", path[strings.LastIndexByte(path, '.')+1:])
		return
	}
	v.duration(d, path)
}

// selector checks the labels that choose workloads.
func (v *validator) selector(labels map[string]string, path string) {
	for k, value := range labels {
		switch {
		case k == "":
			v.errorf(path, "empty key is not supported in selector: %q", k+"="+value)
		case strings.Contains(k+value, "*"):
			v.errorf(join(path, k), "wildcard is not supported in selector: %q", k+"="+value)
		}
	}
}
