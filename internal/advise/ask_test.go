package advise

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crossgate/crossgate/internal/fetch"
)

func fields(pairs ...string) (list []fetch.Field) {
	for i := 0; i < len(pairs); i += 2 {
		list = append(list, fetch.Field{Name: pairs[i], Value: pairs[i+1]})
	}
	return list
}

func TestReadFetch(t *testing.T) {
	for _, tt := range []struct {
		source string
		want   fetch.Call
		notes  string
		err    string
	}{
		{`fetch("https://a.test/x")`, fetch.Call{URL: "https://a.test/x"}, "", ""},
		{
			"await fetch(`https://a.test/x`, {\n  method: 'put', credentials: \"include\", mode: 'cors', redirect: 'error',\n  headers: {'Content-Type': 'application/json', \"X-A\": `b`, n: 1,},\n  body: JSON.stringify({a}),\n  signal,\n});",
			fetch.Call{
				URL: "https://a.test/x", Method: "put", Credentials: "include", Mode: "cors", Redirect: "error",
				Headers: fields("Content-Type", "application/json", "X-A", "b", "n", "1"),
			},
			"", "",
		},
		{
			`const load = async () => { const r = await window.fetch(new URL("https://a.test/x"), {headers: new Headers([["x-a", "\x41\u0042\u{43}\n\""]])}); }`,
			fetch.Call{URL: "https://a.test/x", Headers: fields("x-a", "ABC\n\"")},
			"", "",
		},
		{`fetch(new Request('https://a.test/', {method: 'DELETE'}))`, fetch.Call{URL: "https://a.test/", Method: "DELETE"}, "", ""},
		{
			`fetch("https://a.test/", {"referrer": "https://app.test/page", "headers": {"authorization": "Bearer " + token}, "body": null})`,
			fetch.Call{URL: "https://a.test/", Page: "https://app.test", Headers: fields("authorization", "placeholder")},
			"the value of authorization is computed", "",
		},
		{`fetch("https://a.test/", {body: "x", method: "POST"})`, fetch.Call{URL: "https://a.test/", Method: "POST", Headers: fields("content-type", "text/plain;charset=UTF-8")}, "", ""},
		{`fetch("https://a.test/", {body: new FormData(), headers: {"content-type": "x/y"}})`, fetch.Call{URL: "https://a.test/", Headers: fields("content-type", "x/y")}, "", ""},
		{`fetch("/x")`, fetch.Call{URL: "https://app.test/x"}, "", ""},
		{`fetch(base + "/x")`, fetch.Call{}, "", "the URL is computed"},
		{`fetch("https://a.test/", options)`, fetch.Call{}, "", "the options are computed (options)"},
		{`fetch("https://a.test/", {...options})`, fetch.Call{}, "", "options are computed"},
		{`fetch("https://a.test/", {method: m})`, fetch.Call{}, "", "the option method is computed (m)"},
		{`fetch("https://a.test/", {credentials: "always"})`, fetch.Call{}, "", `credentials: "always" is none of omit, same-origin, include`},
		{`axios.get("https://a.test/")`, fetch.Call{}, "", "there is no call of fetch()"},
		{`fetch(`, fetch.Call{}, "", "this is no JavaScript"},
		{`fetch()`, fetch.Call{}, "", "without a URL"},
	} {
		a, err := ReadFetch(tt.source)
		if err == nil {
			if a.Call.Page == "" {
				a.Call.Page = "https://app.test"
			}
			err = a.Complete()
		}
		if tt.want.Page == "" {
			tt.want.Page = "https://app.test"
		}
		check(t, tt.source, a, err, tt.want, tt.notes, tt.err)
	}
}

func check(t *testing.T, input string, a *Ask, err error, want fetch.Call, notes, wantErr string) {
	t.Helper()
	if wantErr != "" {
		if err == nil || !strings.Contains(err.Error(), wantErr) {
			t.Errorf("%s\nerror %v, want %q", input, err, wantErr)
		}
		return
	}
	if err != nil {
		t.Errorf("%s\n%v", input, err)
		return
	}
	if diff := cmp.Diff(want, a.Call); diff != "" {
		t.Errorf("%s\n%s", input, diff)
	}
	if got := strings.Join(a.Notes, "\n"); got != "" != (notes != "") || !strings.Contains(got, notes) {
		t.Errorf("%s\nnotes %q, want %q", input, got, notes)
	}
}

func TestReadCurl(t *testing.T) {
	const app = "https://app.test"
	for _, tt := range []struct {
		line    string
		want    fetch.Call
		literal string
		err     string
	}{
		{`curl https://a.test/x`, fetch.Call{URL: "https://a.test/x", Method: "GET"}, "GET", ""},
		{`curl -i -H "Origin: https://app.test" a.test`, fetch.Call{Page: app, URL: "http://a.test", Method: "GET", Headers: fields("Origin", app)}, "GET", ""},
		{
			`$ curl -sSI https://a.test/ | head`, fetch.Call{URL: "https://a.test/", Method: "HEAD"}, "HEAD", "",
		},
		{
			"curl 'https://a.test/x' \\\n  -X 'PUT' \\\n  -H 'origin: https://app.test' -H $'x-a: it\\'s' -H 'user-agent: M' -b 'a=b' --data-raw $'{\"a\":1}' --compressed",
			fetch.Call{
				Page: app, URL: "https://a.test/x", Method: "PUT", Credentials: "include",
				Headers: fields("origin", app, "x-a", "it's", "accept-encoding", "gzip", "content-type", "application/x-www-form-urlencoded"),
			},
			"PUT", "",
		},
		{
			`curl -XOPTIONS -H'Origin: https://app.test' -H "Access-Control-Request-Method: PUT" -H "Access-Control-Request-Headers: x-a, x-b" https://a.test/x`,
			fetch.Call{Page: app, URL: "https://a.test/x", Method: "PUT", Headers: fields("x-a", "placeholder", "x-b", "placeholder")},
			"OPTIONS", "",
		},
		{`curl --json '{}' https://a.test`, fetch.Call{URL: "https://a.test", Method: "POST", Headers: fields("accept", "application/json", "content-type", "application/json")}, "POST", ""},
		{`curl -G -d a=b https://a.test`, fetch.Call{URL: "https://a.test", Method: "GET"}, "GET", ""},
		{`curl -u a:b --request=GET --url https://a.test`, fetch.Call{URL: "https://a.test", Method: "GET", Headers: fields("authorization", "Basic placeholder")}, "GET", ""},
		{`curl -e https://app.test/page https://a.test`, fetch.Call{Page: app, URL: "https://a.test", Method: "GET", Headers: fields("referer", "https://app.test/page")}, "GET", ""},
		{`curl --no-such https://a.test`, fetch.Call{}, "", "curl's option --no-such is not known"},
		{`curl -H`, fetch.Call{}, "", "needs a value"},
		{`curl -s`, fetch.Call{}, "", "no URL"},
		{`curl "$(cat url)"`, fetch.Call{}, "", "computed"},
		{`wget https://a.test`, fetch.Call{}, "", "there is no curl"},
		{`curl 'https://a.test`, fetch.Call{}, "", "no line of a shell"},
	} {
		a, err := ReadCurl(strings.TrimPrefix(tt.line, "$ "))
		check(t, tt.line, a, err, tt.want, "", tt.err)
		if err == nil && a.Literal.Method != tt.literal {
			t.Errorf("%s\nsends %s, want %s", tt.line, a.Literal.Method, tt.literal)
		}
	}
}

func TestNoPreflight(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{`-X OPTIONS -H "Origin: https://app.test" -H "Access-Control-Request-Method: PUT"`, ""},
		{`-X OPTIONS -H "Origin: null" -H "Access-Control-Request-Method: PUT"`, ""},
		{`-X OPTIONS -H "Origin: https://app.test"`, "it has no Access-Control-Request-Method"},
		{`-X OPTIONS -H "Access-Control-Request-Method: PUT"`, "it has no Origin"},
		{`-H "Origin: https://app.test" -H "Access-Control-Request-Method: PUT"`, "its method is GET, not OPTIONS"},
		{`-X OPTIONS -H "Origin: app.test" -H "Access-Control-Request-Method: PUT"`, `its Origin "app.test" is no origin: a scheme, a host and perhaps a port`},
		{`-X OPTIONS -H "Origin: https://app.test/" -H "Access-Control-Request-Method: PUT"`, `no browser sends the Origin "https://app.test/": it would be "https://app.test"`},
		{`-X OPTIONS -H "Origin: https://APP.test:443" -H "Access-Control-Request-Method: PUT"`, `no browser sends the Origin "https://APP.test:443": it would be "https://app.test"`},
	} {
		a, err := ReadCurl("curl https://a.test " + tt.line)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(NoPreflight(a.Literal), "; "); got != tt.want {
			t.Errorf("%s\n%q, want %q", tt.line, got, tt.want)
		}
	}
}

func TestReadHAR(t *testing.T) {
	const entries = `{"log": {"entries": [
	  {"request": {"method": "GET", "url": "https://app.test/", "headers": []}},
	  {"request": {"method": "OPTIONS", "url": "https://a.test/x", "headers": [{"name": "Origin", "value": "https://app.test"},
	    {"name": "Access-Control-Request-Method", "value": "PUT"}, {"name": "Access-Control-Request-Headers", "value": "x-a"}]}},
	  {"request": {"method": "POST", "url": "https://b.test/y", "cookies": [{"name": "a", "value": "b"}], "headers": [{"name": ":path", "value": "/y"},
	    {"name": "origin", "value": "https://app.test"}, {"name": "content-type", "value": "text/plain"}]}}
	]}}`
	for _, tt := range []struct {
		data, contains string
		want           fetch.Call
		notes, err     string
	}{
		{entries, "", fetch.Call{
			Page: "https://app.test", URL: "https://b.test/y", Method: "POST", Credentials: "include",
			Headers: fields("origin", "https://app.test", "content-type", "text/plain"),
		}, "", ""},
		{entries, "a.test", fetch.Call{Page: "https://app.test", URL: "https://a.test/x", Method: "PUT", Headers: fields("x-a", "placeholder")}, "has only the preflight", ""},
		{entries, "c.test", fetch.Call{}, "", `none of the 3 requests`},
		{`{}`, "", fetch.Call{}, "", "holds no requests"},
		{`[`, "", fetch.Call{}, "", "no HAR file"},
	} {
		a, err := ReadHAR([]byte(tt.data), tt.contains)
		check(t, tt.contains, a, err, tt.want, tt.notes, tt.err)
	}
}

// FuzzRead: no input makes a reader panic, and what it returns can be completed or tells why not.
func FuzzRead(f *testing.F) {
	f.Add(`fetch("https://a.test/x", {method: 'PUT', headers: {a: "b"}})`)
	f.Add("fetch(`${a}`, {headers: [['\\u{1}']]})")
	f.Add(`curl -X OPTIONS -H 'a;' --json @x https://a.test`)
	f.Add(`{"log": {"entries": [{"request": {"url": "https://a.test", "headers": [{"name": "origin", "value": "null"}]}}]}}`)
	f.Fuzz(func(t *testing.T, input string) {
		for _, read := range []func(string) (*Ask, error){ReadFetch, ReadCurl, func(s string) (*Ask, error) { return ReadHAR([]byte(s), "") }} {
			if a, err := read(input); err == nil {
				_ = a.Complete()
			}
		}
	})
}
