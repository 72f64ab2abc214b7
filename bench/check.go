package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"
)

// A question is a request with what every contestant has to answer. Proxies
// differ in what else they send; it is not judged.
type question struct {
	about   string
	method  string
	path    string
	host    string
	headers map[string]string
	status  []int
	size    int
	want    map[string]string // response headers; "" means absent
}

var questions = []question{
	{
		about: "a preflight", method: "OPTIONS", path: "/api/x", host: host, headers: preflight, status: []int{200, 204},
		want: map[string]string{
			"Access-Control-Allow-Origin":      "https://app.example.com",
			"Access-Control-Allow-Credentials": "true",
			"Access-Control-Allow-Methods":     "GET,POST,PUT,DELETE",
			"Access-Control-Allow-Headers":     "authorization,content-type",
			"Access-Control-Max-Age":           "86400",
		},
	},
	{
		about: "a GET", method: "GET", path: "/api/x", host: host, headers: read, status: []int{200}, size: 1 << 10,
		want: map[string]string{"Access-Control-Allow-Origin": "https://app.example.com", "Access-Control-Allow-Credentials": "true"},
	},
	{
		about: "a large GET from an origin that a regex allows", method: "GET", path: "/api/64k", host: host, status: []int{200}, size: 64 << 10,
		headers: map[string]string{"Origin": "https://kiosk.example.com"},
		want:    map[string]string{"Access-Control-Allow-Origin": "https://kiosk.example.com"},
	},
	{
		about: "a GET from a foreign origin", method: "GET", path: "/api/x", host: host, status: []int{200}, size: 1 << 10,
		headers: map[string]string{"Origin": "https://attacker.test"},
		want:    map[string]string{"Access-Control-Allow-Origin": ""},
	},
	{about: "a path without a route", method: "GET", path: "/other", host: host, status: []int{404}, size: -1},
	{about: "a host that is not served", method: "GET", path: "/api/x", host: "other.test", status: []int{404}, size: -1},
}

// check asks every contestant every question, and over TLS and HTTP/2 where these
// are measured.
func (b *bench) check(ctx context.Context) error {
	var errs []error
	for _, c := range b.contestants {
		began := len(errs)
		ways := []way{{name: "http", scheme: "http", port: c.http}}
		if b.withTLS() {
			ways = append(ways, way{name: "https", scheme: "https", port: c.https})
		}
		if b.withHTTP2() {
			ways = append(ways, way{name: "HTTP/2", scheme: "https", port: c.https, http2: true})
		}
		for _, w := range ways {
			for _, q := range questions {
				if err := q.ask(ctx, w); err != nil {
					errs = append(errs, fmt.Errorf("%s: %s: %s: %w", c.name, w.name, q.about, err))
				}
			}
		}
		if len(errs) == began {
			fmt.Printf("%-10s does the job\n", c.name)
		}
	}
	return errors.Join(errs...)
}

// A way is how a contestant is asked.
type way struct {
	name, scheme string
	port         int
	http2        bool
}

// ask puts the question to a contestant.
func (q question) ask(ctx context.Context, w way) error {
	addr := "127.0.0.1:" + strconv.Itoa(w.port)
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{
		DisableKeepAlives: true,
		ForceAttemptHTTP2: w.http2,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // the certificate was made a moment ago
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, q.method, w.scheme+"://"+q.host+q.path, nil)
	if err != nil {
		return err
	}
	for name, value := range q.headers {
		req.Header.Set(name, value)
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if w.http2 != (resp.ProtoMajor == 2) {
		return fmt.Errorf("an answer in %s", resp.Proto)
	}
	return q.judge(resp, len(body))
}

func (q question) judge(resp *http.Response, size int) error {
	ok := false
	for _, status := range q.status {
		ok = ok || resp.StatusCode == status
	}
	if !ok {
		return fmt.Errorf("status %d, want one of %v", resp.StatusCode, q.status)
	}
	if q.size >= 0 && size != q.size {
		return fmt.Errorf("a body of %d bytes, want %d", size, q.size)
	}
	for name, want := range q.want {
		if got := resp.Header.Get(name); got != want {
			return fmt.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	return nil
}
