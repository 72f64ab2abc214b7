package square

import (
	"fmt"

	"github.com/crossgate/crossgate/test/rawhttp"
)

func (g generator) tableMatch() object {
	m := object{}
	switch g.IntN(9) {
	case 0, 1:
		m["prefix"] = pick(g, "/", "/api", "/api/", "/a", "/API", "/v1")
	case 2, 3:
		m["path"] = pick(g, paths...)
	case 4:
		m["path_separated_prefix"] = pick(g, "/api", "/api/users", "/v1")
	case 5, 6:
		m["safe_regex"] = object{"regex": pick(g, "/api/.*", "/[a-z]+", "/.*users.*", "/(api|v1)/[^/]+", `/api(/\w+)*`, "(?i)/API/.*", "/.+/$", "/a?pi.*", "/api/users(/[0-9]+)?", `/[\w/]*;v=\d`)}
	case 7:
		m["path_match_policy"] = object{"name": "template", "typed_config": object{
			"@type":         "type.googleapis.com/envoy.extensions.path.match.uri_template.v3.UriTemplateMatchConfig",
			"path_template": pick(g, "/api/{x}", "/{a}/{b}", "/api/**", "/{x=api/*}/{y}", "/api/{x=users/*}", "/*/users", "/**", "/a{x}", "/api/users;v=1"),
		}}
	default:
		m["prefix"] = "/"
	}
	if g.chance(15) {
		m["case_sensitive"] = g.chance(30)
	}
	var headers, queries, cookies []any
	for g.chance(30) {
		headers = append(headers, g.tableHeader())
	}
	for g.chance(15) {
		q := object{"name": pick(g, "x", "y", "a", "X")}
		if g.chance(60) {
			q["string_match"] = g.tableString()
		} else {
			q["present_match"] = true
		}
		queries = append(queries, q)
	}
	for g.chance(10) {
		cookies = append(cookies, object{"name": pick(g, "a", "b", "A"), "string_match": g.tableString(), "invert_match": g.chance(20)})
	}
	set(m, "headers", headers)
	set(m, "query_parameters", queries)
	set(m, "cookies", cookies)
	if g.chance(4) {
		m["grpc"] = object{}
	}
	if g.chance(5) {
		m["runtime_fraction"] = object{"default_value": pick(g, object{"numerator": 0}, object{"numerator": 100}, object{"numerator": 1000000, "denominator": "MILLION"})}
	}
	return m
}

func set(o object, key string, list []any) {
	if list != nil {
		o[key] = list
	}
}

func (g generator) tableHeader() object {
	h := object{"name": pick(g, "x-a", "X-A", ":method", ":path", ":authority", ":scheme", "cookie", "accept", "x-forwarded-proto", "content-type", "x-b", "host", "content-length", "x-forwarded-for", "origin")}
	switch g.IntN(6) {
	case 0:
		h["present_match"] = g.chance(60)
	case 1:
		h["range_match"] = object{"start": g.IntN(3), "end": 2 + g.IntN(100)}
	case 2:
		// The deprecated ones.
		switch g.IntN(4) {
		case 0:
			h["exact_match"] = pick(g, "1", "GET", "1,2", "https")
		case 1:
			h["prefix_match"] = pick(g, "1", "G", "/a")
		case 2:
			h["suffix_match"] = pick(g, "1", "T", ".test")
		default:
			h["contains_match"] = pick(g, "1", "E", "text")
		}
	default:
		h["string_match"] = g.tableString()
	}
	if g.chance(20) {
		h["invert_match"] = true
	}
	if g.chance(15) {
		h["treat_missing_header_as_empty"] = true
	}
	return h
}

func (g generator) tableString() object {
	var m object
	switch g.IntN(6) {
	case 0:
		return object{"safe_regex": object{"regex": pick(g, "[0-9]+", ".*1.*", ".*", "1|2", "(?i)get|post", ".+")}}
	case 1:
		m = object{"prefix": pick(g, "1", "G", "/", "text")}
	case 2:
		m = object{"suffix": pick(g, "1", "2", "T", "html")}
	case 3:
		m = object{"contains": pick(g, "1", ",", "E")}
	default:
		m = object{"exact": pick(g, "1", "2", "1,2", "", "GET", "https", "text/html")}
	}
	if g.chance(20) {
		m["ignore_case"] = true
	}
	return m
}

func (g generator) tableAction() object {
	a := object{}
	switch g.IntN(12) {
	case 0:
		a["cluster"] = "dead"
	case 1:
		a["cluster"] = "empty"
	case 2:
		a["cluster_header"] = pick(g, "x-cluster", "x-a", "x-none")
	case 3:
		w := object{"name": "up", "weight": 100}
		if g.chance(40) {
			w["host_rewrite_literal"] = "weighted.test"
		}
		g.mutated(w, 50)
		a["weighted_clusters"] = object{"clusters": []any{w, object{"name": "dead", "weight": 0}}}
	case 4:
		a["cluster"] = "none"
	case 5:
		a["cluster"] = "proper"
	default:
		a["cluster"] = "up"
	}
	if g.chance(20) {
		a["cluster_not_found_response_code"] = pick(g, "NOT_FOUND", "SERVICE_UNAVAILABLE", "INTERNAL_SERVER_ERROR")
	}
	switch g.IntN(5) {
	case 0:
		a["prefix_rewrite"] = pick(g, "/", "/new", "/n/", "/a?b", "x")
	case 1:
		a["regex_rewrite"] = g.tableRewrite()
	}
	switch g.IntN(9) {
	case 0:
		a["host_rewrite_literal"] = pick(g, "other.test", "other.test:80")
	case 1:
		a["host_rewrite_header"] = pick(g, "x-host", "x-a", "x-none")
	case 2:
		a["host_rewrite_path_regex"] = object{"pattern": object{"regex": pick(g, "^/(\\w+).*$", "/(.+)", "x")}, "substitution": pick(g, `\1.test`, "s", "")}
	}
	if g.chance(15) {
		a["append_x_forwarded_host"] = true
	}
	if g.chance(20) {
		a["timeout"] = pick(g, "0s", "10s", "3s")
	}
	if g.chance(25) {
		a["retry_policy"] = g.tableRetry()
	}
	if g.chance(8) {
		a["internal_redirect_policy"] = object{"max_internal_redirects": g.IntN(3), "redirect_response_codes": []any{pick(g, 301, 302, 307)}}
	}
	return a
}

func (g generator) tableRewrite() object {
	return object{
		"pattern":      object{"regex": pick(g, "^/(api|v1)/(.*)$", "a", "/+", "[0-9]+$", "^/api", "(?i)API", "x*", "/([^/]*)", "(u)(s)")},
		"substitution": pick(g, `/\2/\1`, "bb", "", `\0`, `\1`, "$1", "/n"),
	}
}

func (g generator) tableRetry() object {
	r := object{"retry_on": pick(g, "5xx", "reset", "gateway-error,connect-failure", "retriable-4xx", "retriable-status-codes", "connect-failure", "refused-stream", "5xx,retriable-4xx", "cancelled", "unavailable")}
	if g.chance(70) {
		r["num_retries"] = g.IntN(4)
	}
	if r["retry_on"] == "retriable-status-codes" {
		r["retriable_status_codes"] = []any{pick(g, 503, 409, 500)}
	}
	if g.chance(15) {
		r["per_try_timeout"] = pick(g, "5s", "20s")
	}
	r["retry_back_off"] = object{"base_interval": "0.001s"}
	return r
}

func (g generator) tableRedirect() object {
	r := object{}
	switch g.IntN(4) {
	case 0:
		r["path_redirect"] = pick(g, "/moved", "/moved?z=1", "/", "moved")
	case 1:
		r["prefix_rewrite"] = pick(g, "/new", "/", "/n/")
	case 2:
		r["regex_rewrite"] = g.tableRewrite()
	}
	switch g.IntN(4) {
	case 0:
		r["https_redirect"] = true
	case 1:
		r["scheme_redirect"] = pick(g, "https", "http", "ftp")
	}
	if g.chance(40) {
		r["host_redirect"] = pick(g, "elsewhere.test", "elsewhere.test:443", "[::1]:80")
	}
	if g.chance(25) {
		r["port_redirect"] = pick(g, 80, 443, 8443)
	}
	if g.chance(25) {
		r["strip_query"] = true
	}
	if g.chance(40) {
		r["response_code"] = pick(g, "MOVED_PERMANENTLY", "FOUND", "SEE_OTHER", "TEMPORARY_REDIRECT", "PERMANENT_REDIRECT")
	}
	return r
}

func (g generator) tableDirect() object {
	// Not 204 or 304 with a body, which Envoy writes; and 1xx Envoy refuses.
	d := object{"status": pick(g, 200, 201, 204, 302, 304, 400, 404, 418, 500, 503, 599)}
	if d["status"] != 204 && d["status"] != 304 && g.chance(60) {
		d["body"] = object{"inline_string": pick(g, "direct", "", "%REQ(x)%", "<html>\n", "~%\n")}
	}
	return d
}

// visit makes a random request to a site with a host.
func (g generator) visit(s *site) probe {
	p := g.traffic(s)
	extra := []rawhttp.Field{
		{Name: "x-cluster", Value: "up"},
		{Name: "X-Cluster", Value: "dead"},
		{Name: "x-cluster", Value: "none"},
		{Name: "x-host", Value: "h.test"},
		{Name: "x-b", Value: "5"},
		{Name: "Content-Type", Value: "application/grpc"},
		{Name: "Content-Type", Value: "application/grpc+proto"},
		{Name: "Cookie", Value: "a=1; b=2"},
		{Name: "Cookie", Value: `a="1"`},
		{Name: "Accept", Value: "2"},
		{Name: "X-A", Value: "55"},
		{Name: "X_Under", Value: "u"},
		{Name: "Expect", Value: "100-continue"},
	}
	for range g.IntN(3) {
		p.Request.Fields = append(p.Request.Fields, pick(g, extra...))
	}
	if g.chance(8) {
		p.Suffix = pick(g, ":80", ":8080", ".", ".:80", ":")
	}
	if g.chance(15) {
		p.Plan.Trailers = rawhttp.Fields{{Name: "x-trailer", Value: "t"}}
	}
	if g.chance(12) {
		p.Plan.Status = pick(g, 301, 302, 307, 503, 409)
		p.Plan.Fields = append(p.Plan.Fields, rawhttp.Field{Name: "Location", Value: pick(g, fmt.Sprintf("http://site%d.test/api", g.IntN(3)), "http://nowhere.test/", "/relative", "https://site0.test/", "http://site0.test/v1/x?y=1", "")})
	}
	return p
}
