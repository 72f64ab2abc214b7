package xds

import (
	"fmt"
	"regexp/syntax"

	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/crossgate/crossgate/internal/diag"
)

// CodeRegexSize: a route table has expressions that a stock Envoy does not take
// without being told to.
const CodeRegexSize = "CG0505"

// maxStockProgram is the size of an expression's program above which an Envoy
// without the runtime key of WriteBootstrap refuses the whole route table. Programs
// of Go's regexp are a little smaller than those of RE2 that Envoy counts, so that
// the limit here is lower.
const maxStockProgram = 80

// LargeRegexes says which route tables a stock Envoy would refuse for the size of
// their regular expressions, unless its bootstrap has the runtime key that
// WriteBootstrap writes.
func (s *Snapshot) LargeRegexes() diag.List {
	var out diag.List
	for _, rc := range s.Routes {
		n, largest := 0, ""
		most := 0
		eachRegex(rc, func(text string) {
			if size := programSize(text); size > maxStockProgram {
				n++
				if size > most {
					most, largest = size, text
				}
			}
		})
		if n == 0 {
			continue
		}
		out = append(out, diag.Diagnostic{
			Pos: s.Origins[RouteConfigKey(rc.GetName())], Severity: diag.Info, Code: CodeRegexSize, Object: "routes " + rc.GetName(),
			Message: fmt.Sprintf("%d regular expressions are larger than a stock Envoy takes, which refuses all routes for one: its runtime needs %s: 32768. The largest is %.60q", n, re2SizeLimit, largest),
		})
	}
	return out
}

// programSize estimates the size of RE2's program for an expression.
func programSize(text string) int {
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return 0
	}
	prog, err := syntax.Compile(re.Simplify())
	if err != nil {
		return 0
	}
	n := 0
	for i := range prog.Inst {
		n++
		switch in := &prog.Inst[i]; in.Op {
		case syntax.InstRune:
			n += weight(in.Rune)
		case syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
			n += anyWeight
		}
	}
	return n
}

// anyWeight is what RE2 needs for the bytes of any character.
const anyWeight = 6

// weight is what a class needs besides one instruction: RE2 goes by bytes, so that
// each range is one, and those beyond ASCII several.
func weight(ranges []rune) int {
	n := len(ranges)/2 - 1
	for i := 1; i < len(ranges); i += 2 {
		if ranges[i] >= 0x80 {
			n += 3
		}
	}
	return max(n, 0)
}

// eachRegex calls f for every expression in a message and in what is packed in it.
func eachRegex(m proto.Message, f func(string)) {
	switch m := m.(type) {
	case *matcherv3.RegexMatcher:
		f(m.GetRegex())
		return
	case *anypb.Any:
		if inner, err := m.UnmarshalNew(); err == nil {
			eachRegex(inner, f)
		}
		return
	}
	m.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap():
			if fd.MapValue().Message() != nil {
				v.Map().Range(func(_ protoreflect.MapKey, v protoreflect.Value) bool {
					eachRegex(v.Message().Interface(), f)
					return true
				})
			}
		case fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				eachRegex(v.List().Get(i).Message().Interface(), f)
			}
		default:
			eachRegex(v.Message().Interface(), f)
		}
		return true
	})
}
