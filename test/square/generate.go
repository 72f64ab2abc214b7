package square

import (
	"math/rand/v2"
	"strings"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	corsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/cors/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/crossgate/crossgate/test/rawhttp"
)

// The levels at which a CORS policy can stand, the most specific last.
const (
	levelTable = iota // the route configuration
	levelHost
	levelRoute
	levelCluster // a weighted cluster
	levels
)

// The actions of a generated route.
const (
	actCluster  = ""
	actWeighted = "weighted"
	actDead     = "dead"
	actEmpty    = "empty"
	actDirect   = "direct"
	actRedirect = "redirect"
)

// site is one virtual host with one route: what a generated request is sent to.
type site struct {
	Policies [levels]*corsv3.CorsPolicy
	// Off disables the filter on the route, Wrapped wraps the route's policy in
	// a FilterConfig.
	Off, Wrapped bool
	Action       string
	// Method restricts the route to one method.
	Method string
	// Added are response headers that the route adds.
	Added rawhttp.Fields

	// Routes are the routes of a VirtualService, Host a virtual host below the
	// connection manager with the name. A site has one of them, or the above.
	Routes  []object
	Host    object
	Manager string
}

// probe is one generated request to a site. Its request has no Host line.
type probe struct {
	Site    *site
	Request Request
	Plan    rawhttp.Plan
	// Suffix follows the site's host in the Host line.
	Suffix string
}

// generator makes random sites and probes. Everything follows from its source.
type generator struct{ *rand.Rand }

func newGenerator(seed uint64) generator {
	return generator{rand.New(rand.NewPCG(seed, 0))}
}

// chance is true in p of 100 cases.
func (g generator) chance(p int) bool { return g.IntN(100) < p }

func pick[T any](g generator, from ...T) T { return from[g.IntN(len(from))] }

// site makes a random site under a route configuration with the policy table.
func (g generator) site(table *corsv3.CorsPolicy) *site {
	s := &site{}
	s.Policies[levelTable] = table
	if g.chance(50) {
		s.Policies[levelHost] = g.policy()
	}
	if g.chance(80) {
		s.Policies[levelRoute] = g.policy()
	}
	if g.chance(25) {
		s.Action = pick(g, actWeighted, actWeighted, actDead, actEmpty, actDirect, actRedirect)
	}
	if s.Action == actWeighted && g.chance(70) {
		s.Policies[levelCluster] = g.policy()
	}
	s.Off = g.chance(4)
	s.Wrapped = g.chance(8)
	if g.chance(6) {
		s.Method = pick(g, "GET", "OPTIONS", "POST")
	}
	if g.chance(10) {
		s.Added = g.corsFields(60)
	}
	return s
}

func (g generator) policy() *corsv3.CorsPolicy {
	p := &corsv3.CorsPolicy{
		AllowMethods:                 pick(g, "", "*", "GET", "GET,POST", "GET, POST ,PUT", "*,GET", "get", "GET,POST,PUT,PATCH,DELETE"),
		AllowHeaders:                 pick(g, "", "*", "content-type", "content-type,x-a", "X-A, x-b", "*,x-a", "authorization"),
		ExposeHeaders:                pick(g, "", "", "*", "x-a", "x-a,x-b", "X-A , x-b"),
		MaxAge:                       pick(g, "", "", "0", "-1", "600", "86400", "abc"),
		AllowCredentials:             g.boolean(),
		AllowPrivateNetworkAccess:    g.boolean(),
		ForwardNotMatchingPreflights: g.boolean(),
	}
	if g.chance(85) {
		for range 1 + g.IntN(4) {
			p.AllowOriginStringMatch = append(p.AllowOriginStringMatch, g.matcher())
		}
	}
	if g.chance(20) {
		p.FilterEnabled = g.fraction()
	}
	if g.chance(15) {
		p.ShadowEnabled = g.fraction()
	}
	return p
}

func (g generator) boolean() *wrapperspb.BoolValue {
	switch g.IntN(3) {
	case 0:
		return wrapperspb.Bool(false)
	case 1:
		return wrapperspb.Bool(true)
	}
	return nil
}

// fraction is all or nothing: what is between depends on chance.
func (g generator) fraction() *corev3.RuntimeFractionalPercent {
	f := pick(g,
		&typev3.FractionalPercent{},
		&typev3.FractionalPercent{Numerator: 100},
		&typev3.FractionalPercent{Numerator: 10_000, Denominator: typev3.FractionalPercent_TEN_THOUSAND},
		&typev3.FractionalPercent{Numerator: 200},
	)
	return &corev3.RuntimeFractionalPercent{DefaultValue: f}
}

// The values of generated matchers. Among them are those that match the text
// "*", which Envoy takes as permission for every origin.
var (
	origins  = []string{"https://app.example.com", "https://a.b.example.com", "http://localhost:3000", "https://app.example.com:8443", "null", "*", "https://xn--bcher-kva.example", "ionic://localhost", "HTTPS://APP.EXAMPLE.COM"}
	prefixes = []string{"https://", "http://localhost:", "https://app.", "h", "*", "HTTPS://App"}
	suffixes = []string{".example.com", "com", ":3000", "*", ".EXAMPLE.com", "l"}
	contents = []string{"example", "://", "*", ".", "APP", "localhost"}
	regexes  = []string{
		`https://[a-z]+\.example\.com(:\d+)?`, `https://.*`, `.*`, `.+`, `\*`, `[*a]`, `.`, `[^.]*|https://app\.example\.com`,
		`(?i)https://APP\.example\.com`, `https?://localhost:[0-9]{1,5}`, `https://app.example.com`, `^https://app\.example\.com$`,
		`(https://a\.b\.example\.com|null)`, `\Ahttps://.*\.com\z`, `https://(app|a\.b)\.example\.com`, `https://[^/]*`, `(?s).*`, `https://\w+\.example\.com`,
	}
)

func (g generator) matcher() *matcherv3.StringMatcher {
	m := &matcherv3.StringMatcher{IgnoreCase: g.chance(15)}
	switch g.IntN(8) {
	case 0, 1, 2:
		m.MatchPattern = &matcherv3.StringMatcher_Exact{Exact: pick(g, origins...)}
	case 3:
		m.MatchPattern = &matcherv3.StringMatcher_Prefix{Prefix: pick(g, prefixes...)}
	case 4:
		m.MatchPattern = &matcherv3.StringMatcher_Suffix{Suffix: pick(g, suffixes...)}
	case 5:
		m.MatchPattern = &matcherv3.StringMatcher_Contains{Contains: pick(g, contents...)}
	default:
		m.IgnoreCase = false // refused together with a regex
		m.MatchPattern = &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: pick(g, regexes...)}}
	}
	return m
}

// probe makes a random request to the site: mostly one that its policies nearly
// or just match.
func (g generator) probe(s *site) probe {
	r := Request{Method: "OPTIONS", Target: pick(g, "/", "/", "/api/users?x=1")}
	if g.chance(40) {
		r.Method = pick(g, "GET", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")
	}
	r.Fields = append(r.Fields, g.origin()...)
	if r.Method == "OPTIONS" || g.chance(10) {
		r.Fields = append(r.Fields, g.preflight()...)
	}
	if g.chance(10) {
		r.Fields = append(r.Fields, rawhttp.Field{Name: "Accept", Value: "*/*"}, rawhttp.Field{Name: "X-Custom", Value: "1"})
	}
	if r.Method == "POST" || r.Method == "PUT" || r.Method == "PATCH" || g.chance(3) {
		r.Body = []byte(pick(g, "", "a=1", "{}", strings.Repeat("x", 3000)))
	}
	if g.chance(15) {
		g.Shuffle(len(r.Fields), func(i, j int) { r.Fields[i], r.Fields[j] = r.Fields[j], r.Fields[i] })
	}
	return probe{Site: s, Request: r, Plan: g.plan()}
}

func (g generator) origin() rawhttp.Fields {
	if g.chance(6) {
		return nil
	}
	name := pick(g, "Origin", "Origin", "Origin", "origin", "ORIGIN")
	value := pick(g, origins...)
	if g.chance(35) {
		value = g.nearMiss(value)
	}
	out := rawhttp.Fields{{Name: name, Value: value}}
	if g.chance(4) {
		out = append(out, rawhttp.Field{Name: pick(g, "Origin", "origin"), Value: pick(g, value, "https://app.example.com", "")})
	}
	return out
}

// nearMiss returns an origin like o.
func (g generator) nearMiss(o string) string {
	switch g.IntN(14) {
	case 0:
		return o + "/"
	case 1:
		return o + ".evil.example"
	case 2:
		return o + ":443"
	case 3:
		return o + "."
	case 4:
		return strings.ToUpper(o)
	case 5:
		return strings.ToLower(o)
	case 6:
		return strings.Replace(o, "https:", "http:", 1)
	case 7:
		return strings.Replace(o, ".example", "xexample", 1)
	case 8:
		return strings.Replace(o, "://", "://evil.", 1)
	case 9:
		return " " + o + "\t "
	case 10:
		return "https://b\xc3\xbccher.example.com"
	case 11:
		return o[1:]
	case 12:
		return o + "," + o
	}
	return pick(g, "", "https://evil.com", "a", "http://localhost:65535", "https://user@app.example.com")
}

func (g generator) preflight() (out rawhttp.Fields) {
	add := func(name string, values ...string) {
		out = append(out, rawhttp.Field{Name: name, Value: pick(g, values...)})
	}
	if g.chance(85) {
		add(pick(g, "Access-Control-Request-Method", "access-control-request-method"), "GET", "POST", "PUT", "PATCH", "DELETE", "get", "*", "", "FOO BAR", "OPTIONS")
	}
	if g.chance(3) {
		add("Access-Control-Request-Method", "PUT", "")
	}
	for g.chance(45) {
		add("Access-Control-Request-Headers", "content-type", "x-a,x-b", "X-A , x-b", "", "*", ",,,", "authorization", strings.Repeat("x-long,", 200)+"x")
	}
	if g.chance(25) {
		add("Access-Control-Request-Private-Network", "true", "true", "TRUE", "1", "", "false")
	}
	if g.chance(3) {
		add("Access-Control-Request-Private-Network", "true")
	}
	return out
}

// corsFields returns response headers of CORS, each with a chance of p of 100.
func (g generator) corsFields(p int) (out rawhttp.Fields) {
	for _, h := range []struct {
		name   string
		values []string
	}{
		{"Access-Control-Allow-Origin", []string{"*", "https://app.example.com", "https://evil.com", "null"}},
		{"Access-Control-Allow-Credentials", []string{"true", "false"}},
		{"Access-Control-Expose-Headers", []string{"x-up", "*"}},
		{"Access-Control-Allow-Methods", []string{"GET", "*"}},
		{"access-control-allow-headers", []string{"x-up"}},
		{"access-control-max-age", []string{"5"}},
		{"access-control-allow-private-network", []string{"true"}},
		{"Vary", []string{"Origin", "Accept-Encoding, origin", "*"}},
	} {
		for range 2 {
			if g.chance(p / 2) {
				out = append(out, rawhttp.Field{Name: h.name, Value: pick(g, h.values...)})
			}
		}
	}
	return out
}

func (g generator) plan() (p rawhttp.Plan) {
	if g.chance(40) {
		p.Fields = g.corsFields(40)
	}
	if g.chance(20) {
		p.Status = pick(g, 204, 304, 404, 500, 503, 301, 299)
	}
	if g.chance(15) {
		p.Chunked = true
	}
	if g.chance(2) {
		p.Close = "before"
	}
	if g.chance(1) {
		p.Sleep = time.Millisecond
	}
	return p
}
