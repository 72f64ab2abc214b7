package advise

import (
	"errors"
	"fmt"
	"strings"

	"mvdan.cc/sh/v3/expand"
	"mvdan.cc/sh/v3/syntax"

	"github.com/crossgate/crossgate/internal/fetch"
)

// ReadCurl reads a curl line as a shell would, quotes, continued lines and $'…' included. Variables are empty and commands in it
// are refused: nothing is run.
func ReadCurl(line string) (*Ask, error) {
	words, err := shellWords(line)
	if err != nil {
		return nil, err
	}
	c := &curl{}
	if err := c.read(words[1:]); err != nil {
		return nil, err
	}
	return c.ask()
}

// shellWords are the words of the first simple command that calls curl.
func shellWords(line string) ([]string, error) {
	file, err := syntax.NewParser().Parse(strings.NewReader(line), "")
	if err != nil {
		return nil, fmt.Errorf("this is no line of a shell: %w", err)
	}
	var words []string
	syntax.Walk(file, func(n syntax.Node) bool {
		call, ok := n.(*syntax.CallExpr)
		if !ok || words != nil || len(call.Args) == 0 || call.Args[0].Lit() != "curl" && call.Args[0].Lit() != "curl.exe" {
			return words == nil
		}
		for _, word := range call.Args {
			// Without braces: {1..1000000000} would be as many words.
			var text string
			if text, err = expand.Literal(&expand.Config{}, word); err != nil {
				break
			}
			words = append(words, text)
		}
		return false
	})
	if err != nil {
		return nil, fmt.Errorf("the line of the shell is computed: %w", err)
	}
	if words == nil {
		return nil, errors.New("there is no curl in it")
	}
	return words, nil
}

// curl is what its options say.
type curl struct {
	method, url       string
	headers           []fetch.Field
	implied           string // the content type of the data
	data, head, query bool
	credentials       bool
}

// withValue are curl's options that take one, and what to call them here; those without a name change nothing that matters.
var withValue = map[string]string{
	"-X": "method", "--request": "method", "-H": "header", "--header": "header", "--url": "url",
	"-d": "data", "--data": "data", "--data-raw": "data", "--data-binary": "data", "--data-ascii": "data", "--data-urlencode": "data",
	"--json": "json", "-F": "form", "--form": "form", "--form-string": "form", "-T": "upload", "--upload-file": "upload",
	"-b": "credentials", "--cookie": "credentials", "-u": "user", "--user": "user", "--oauth2-bearer": "bearer", "-E": "credentials", "--cert": "credentials",
	"-A": "agent", "--user-agent": "agent", "-e": "referer", "--referer": "referer", "-r": "range", "--range": "range",
	"-o": "", "--output": "", "-w": "", "--write-out": "", "-m": "", "--max-time": "", "--connect-timeout": "", "--resolve": "", "--connect-to": "",
	"--cacert": "", "--capath": "", "--key": "", "--cert-type": "", "--key-type": "", "-x": "", "--proxy": "", "-c": "", "--cookie-jar": "", "-D": "",
	"--dump-header": "", "--retry": "", "--retry-delay": "", "--retry-max-time": "", "--max-redirs": "", "--interface": "", "--trace": "",
	"--trace-ascii": "", "-K": "", "--config": "", "--ciphers": "", "--tls-max": "", "--limit-rate": "", "--stderr": "", "--unix-socket": "", "--noproxy": "",
}

// withoutValue are its options that take none.
var withoutValue = map[string]string{
	"-I": "head", "--head": "head", "-G": "get", "--get": "get", "--compressed": "compressed",
	"-i": "", "--include": "", "-v": "", "--verbose": "", "-s": "", "--silent": "", "-S": "", "--show-error": "", "-k": "", "--insecure": "",
	"-L": "", "--location": "", "-f": "", "--fail": "", "--fail-with-body": "", "-g": "", "--globoff": "", "-4": "", "--ipv4": "", "-6": "", "--ipv6": "",
	"-0": "", "--http1.0": "", "--http1.1": "", "--http2": "", "--http2-prior-knowledge": "", "--http3": "", "-#": "", "--progress-bar": "", "-N": "",
	"--no-buffer": "", "-q": "", "--disable": "", "-n": "", "--netrc": "", "-j": "", "-O": "", "--remote-name": "", "-J": "", "--remote-header-name": "",
	"--tlsv1.2": "", "--tlsv1.3": "", "-a": "", "--append": "", "--path-as-is": "", "--raw": "", "-Z": "", "--parallel": "", "--tcp-nodelay": "", "--no-progress-meter": "",
	"--location-trusted": "", "--post301": "", "--post302": "", "--post303": "", "--anyauth": "", "--basic": "",
}

func (c *curl) read(words []string) error {
	for len(words) > 0 {
		word := words[0]
		words = words[1:]
		var value string
		switch {
		case word == "--" || word == "":
			continue
		case !strings.HasPrefix(word, "-") || word == "-":
			if c.url == "" {
				c.url = word
			}
			continue
		case !strings.HasPrefix(word, "--") && len(word) > 2:
			// Short options may be written together, the last one with its value.
			if _, takes := withValue[word[:2]]; takes {
				value, word = word[2:], word[:2]
			} else {
				words, word = append([]string{"-" + word[2:]}, words...), word[:2]
			}
		case strings.HasPrefix(word, "--") && strings.Contains(word, "="):
			word, value, _ = strings.Cut(word, "=")
		}
		if name, ok := withoutValue[word]; ok {
			c.set(name, "")
			continue
		}
		name, ok := withValue[word]
		if !ok {
			return fmt.Errorf("curl's option %s is not known here", word)
		}
		if value == "" {
			if len(words) == 0 {
				return fmt.Errorf("curl's option %s needs a value", word)
			}
			value, words = words[0], words[1:]
		}
		c.set(name, value)
	}
	if c.url == "" {
		return errors.New("curl has no URL")
	}
	if !strings.Contains(c.url, "://") {
		c.url = "http://" + c.url // as curl does
	}
	return nil
}

func (c *curl) set(name, value string) {
	switch name {
	case "method":
		c.method = value
	case "url":
		c.url = value
	case "header":
		c.header(value)
	case "head":
		c.head = true
	case "get":
		c.query = true
	case "data", "upload":
		c.body("application/x-www-form-urlencoded")
		if name == "upload" && c.method == "" {
			c.method = "PUT"
		}
	case "json":
		c.body("application/json")
		c.headers = append(c.headers, fetch.Field{Name: "accept", Value: "application/json"})
	case "form":
		c.body("multipart/form-data; boundary=----" + placeholder)
	case "credentials":
		c.credentials = true
	case "user":
		c.headers = append(c.headers, fetch.Field{Name: "authorization", Value: "Basic " + placeholder})
	case "bearer":
		c.headers = append(c.headers, fetch.Field{Name: "authorization", Value: "Bearer " + value})
	case "agent":
		c.headers = append(c.headers, fetch.Field{Name: "user-agent", Value: value})
	case "referer":
		c.headers = append(c.headers, fetch.Field{Name: "referer", Value: value})
	case "range":
		c.headers = append(c.headers, fetch.Field{Name: "range", Value: "bytes=" + value})
	case "compressed":
		c.headers = append(c.headers, fetch.Field{Name: "accept-encoding", Value: "gzip"})
	}
}

// header reads "Name: value", "Name;" for an empty value, and "Name:" for a header that curl leaves out.
func (c *curl) header(line string) {
	name, value, ok := strings.Cut(line, ":")
	value = strings.TrimSpace(value)
	switch {
	case !ok:
		name = strings.TrimSuffix(line, ";")
	case value == "":
		return
	}
	c.headers = append(c.headers, fetch.Field{Name: strings.TrimSpace(name), Value: value})
}

func (c *curl) body(kind string) { c.data, c.implied = true, kind }

// ask makes the literal request, and the call of fetch() that a page would make for the same.
func (c *curl) ask() (*Ask, error) {
	if _, ok := header(c.headers, "content-type"); !ok && c.data && !c.query {
		c.headers = append(c.headers, fetch.Field{Name: "content-type", Value: c.implied})
	}
	method := c.method
	switch {
	case method != "":
	case c.head:
		method = "HEAD"
	case c.data && !c.query:
		method = "POST"
	default:
		method = "GET"
	}
	a := &Ask{Literal: &fetch.Request{Method: method, URL: c.url, Headers: c.headers}}
	if _, cookie := header(c.headers, "cookie"); c.credentials || cookie {
		a.Call.Credentials = fetch.Include
	}
	a.fromRequest(a.Literal)
	return a, nil
}

// fromRequest makes the call of fetch() out of a request on the wire. A preflight stands for the request that it announces.
func (a *Ask) fromRequest(r *fetch.Request) {
	a.Call.URL, a.Call.Method = r.URL, r.Method
	a.Call.Page, _ = header(r.Headers, "origin")
	if referer, ok := header(r.Headers, "referer"); ok && a.Call.Page == "" {
		a.Call.Page, _ = OriginOf(referer) // without one the user has to tell
	}
	if len(NoPreflight(r)) == 0 {
		a.Call.Method, _ = header(r.Headers, "access-control-request-method")
		names, _ := header(r.Headers, "access-control-request-headers")
		for name := range strings.SplitSeq(names, ",") {
			if name = strings.TrimSpace(name); name != "" {
				a.Call.Headers = append(a.Call.Headers, fetch.Field{Name: name, Value: placeholder})
			}
		}
		return
	}
	if r.Method == "OPTIONS" {
		a.note("no page asks OPTIONS by itself; the call is taken for a GET")
		a.Call.Method = "GET"
	}
	for _, h := range r.Headers {
		// What the browser itself writes, a page did not ask for.
		if name := strings.ToLower(h.Name); name != "user-agent" && name != "priority" && !strings.HasPrefix(name, ":") {
			a.Call.Headers = append(a.Call.Headers, h)
		}
	}
}

// NoPreflight tells why a request is no preflight; nothing if it is one.
func NoPreflight(r *fetch.Request) (reasons []string) {
	if r.Method != "OPTIONS" {
		reasons = append(reasons, "its method is "+r.Method+", not OPTIONS")
	}
	origin, ok := header(r.Headers, "origin")
	switch {
	case !ok || origin == "":
		reasons = append(reasons, "it has no Origin")
	case origin != "null":
		if as, err := OriginOf(origin); err != nil {
			reasons = append(reasons, fmt.Sprintf("its Origin %q is no origin: a scheme, a host and perhaps a port", origin))
		} else if as != origin {
			reasons = append(reasons, fmt.Sprintf("no browser sends the Origin %q: it would be %q", origin, as))
		}
	}
	if method, _ := header(r.Headers, "access-control-request-method"); method == "" {
		reasons = append(reasons, "it has no Access-Control-Request-Method")
	}
	return reasons
}
