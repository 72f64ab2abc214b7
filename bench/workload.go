package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
)

// host is the name the contestants serve.
const host = "api.example.com"

// A workload is one kind of request, sent again and again.
type workload struct {
	name, about  string
	method, path string
	headers      map[string]string
	tls          bool
	http2        bool // over TLS, many requests at once on each connection
	close        bool // a new connection for each request
}

const browser = "Mozilla/5.0 (X11; Linux x86_64; rv:141.0) Gecko/20100101 Firefox/141.0"

var (
	preflight = map[string]string{
		"User-Agent":                     browser,
		"Accept":                         "*/*",
		"Origin":                         "https://app.example.com",
		"Access-Control-Request-Method":  "PUT",
		"Access-Control-Request-Headers": "authorization,content-type",
	}
	read = map[string]string{
		"User-Agent":    browser,
		"Accept":        "application/json",
		"Authorization": "Bearer 5b2f8e0c9d7a4f1e8c3b6a5d4e9f0a1b",
		"Origin":        "https://app.example.com",
	}
)

var workloads = []workload{
	{name: "P", about: "preflights, answered by the proxy", method: "OPTIONS", path: "/api/x", headers: preflight},
	{name: "G", about: "GET of 1 KiB from the backend", method: "GET", path: "/api/x", headers: read},
	{name: "G64k", about: "GET of 64 KiB from the backend", method: "GET", path: "/api/64k", headers: read},
	{name: "N", about: "GET of 1 KiB, each on a new connection", method: "GET", path: "/api/x", headers: read, close: true},
	{name: "T", about: "GET of 1 KiB over TLS", method: "GET", path: "/api/x", headers: read, tls: true},
	{name: "H2P", about: "preflights over HTTP/2", method: "OPTIONS", path: "/api/x", headers: preflight, tls: true, http2: true},
	{name: "H2G", about: "GET of 1 KiB over HTTP/2", method: "GET", path: "/api/x", headers: read, tls: true, http2: true},
}

// lua is the workload as a script for wrk.
func (w workload) lua() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "wrk.method = %q\n", w.method)
	fmt.Fprintf(&b, "wrk.headers[\"Host\"] = %q\n", host)
	for _, name := range slices.Sorted(maps.Keys(w.headers)) {
		fmt.Fprintf(&b, "wrk.headers[%q] = %q\n", name, w.headers[name])
	}
	if w.close {
		fmt.Fprintln(&b, `wrk.headers["Connection"] = "close"`)
	}
	return b.Bytes()
}
