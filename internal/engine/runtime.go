package engine

import (
	"math"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// runtime holds the values of a bootstrap's static runtime layers, the last
// layer that has a key winning. Keys of nested objects are joined by dots.
type runtime map[string]*structpb.Value

func newRuntime(b *bootstrapv3.Bootstrap) runtime {
	rt := runtime{}
	for _, layer := range b.GetLayeredRuntime().GetLayers() {
		rt.add("", layer.GetStaticLayer())
	}
	return rt
}

func (rt runtime) add(prefix string, s *structpb.Struct) {
	for k, v := range s.GetFields() {
		if nested := v.GetStructValue(); nested != nil {
			rt.add(prefix+k+".", nested)
		}
		rt[prefix+k] = v
	}
}

// fraction resolves a fraction that a runtime key may override: by a number,
// which is in percent, or by an object like the default itself.
func (rt runtime) fraction(f *corev3.RuntimeFractionalPercent) fraction {
	if v, ok := rt[f.GetRuntimeKey()]; ok && f.GetRuntimeKey() != "" {
		if n, ok := v.GetKind().(*structpb.Value_NumberValue); ok {
			return scale(n.NumberValue, typev3.FractionalPercent_HUNDRED)
		}
		if s := v.GetStructValue(); s != nil {
			d := typev3.FractionalPercent_DenominatorType_value[s.GetFields()["denominator"].GetStringValue()]
			return scale(s.GetFields()["numerator"].GetNumberValue(), typev3.FractionalPercent_DenominatorType(d))
		}
	}
	return percent(f.GetDefaultValue())
}

// integer is the number that a key holds, or nil.
func (rt runtime) integer(key string) *int64 {
	n, ok := rt[key].GetKind().(*structpb.Value_NumberValue)
	if !ok || n.NumberValue < 0 || n.NumberValue > math.MaxUint32 {
		return nil
	}
	v := int64(n.NumberValue)
	return &v
}

func percent(p *typev3.FractionalPercent) fraction {
	return scale(float64(p.GetNumerator()), p.GetDenominator())
}

func scale(n float64, d typev3.FractionalPercent_DenominatorType) fraction {
	switch d {
	case typev3.FractionalPercent_HUNDRED:
		n *= 10_000
	case typev3.FractionalPercent_TEN_THOUSAND:
		n *= 100
	}
	return fraction(min(max(n, 0), oneMillion))
}
