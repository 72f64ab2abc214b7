package resource

import (
	"fmt"

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

// check reports an error of a rule at path, if there is one.
func (v *validator) check(path string, err error) {
	if err != nil {
		v.errorf(path, "%s", err)
	}
}
