package console

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// Guard lets only requests through whose Host is an IP address or localhost.
//
// A web page that makes its own name resolve to 127.0.0.1 (DNS rebinding) is of
// one origin with whatever listens there and can read it. The browser then sends
// the page's name as Host: a name that is not localhost is never a person who
// typed the address. An address as Host cannot be rebound.
func Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !localHost(r.Host) {
			w.Header().Set("X-Content-Type-Options", "nosniff")
			writeText(w, http.StatusForbidden, "this address is answered only under an IP address or localhost, not under a name\n")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// fromPage reports whether a browser sends the request for a page of another site:
// such a page may send a POST without asking, and does not need the answer.
func fromPage(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none":
	default:
		return true
	}
	origin := r.Header.Get("Origin")
	return origin != "" && origin != "http://"+r.Host
}

func localHost(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil
}
