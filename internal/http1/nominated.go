package http1

import "bytes"

// Limits of what a connection field may name, which are Envoy's.
const (
	maxNominated = 9   // fields
	maxTE        = 255 // bytes of a te field that is named
)

// dropNominated removes the fields that the connection field names, for they concern
// only the connection to the client (RFC 9110 section 7.6.1). A name that would take
// away what proxies have said of the client is refused, and so are many names. The
// framing of the body has been read before: it is that of the message, whatever is
// named.
func (r *Request) dropNominated() *Error {
	list, ok := r.Headers.Get("connection")
	if !ok {
		return nil
	}
	for n := 0; len(list) > 0; {
		var name []byte
		name, list, _ = bytes.Cut(list, comma)
		if len(name) == 0 {
			continue
		}
		if n++; n > maxNominated {
			return errNominated
		}
		name = r.Arena.Copy(bytes.TrimSpace(name))
		for i, c := range name {
			if 'A' <= c && c <= 'Z' {
				name[i] = c + 'a' - 'A'
			}
		}
		if err := r.dropNamed(name); err != nil {
			return err
		}
	}
	return nil
}

func (r *Request) dropNamed(name []byte) *Error {
	switch string(name) {
	case "", "close", "keep-alive", "upgrade", "http2-settings", "connection":
		return nil
	case "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto":
		return errNominated
	case "host":
		r.Authority, r.HasHost = nil, false
		return nil
	case "te":
		return r.dropTE()
	}
	if name[0] == ':' {
		return errNominated
	}
	r.Headers.Remove(string(name))
	return nil
}

// dropTE keeps the word trailers of a te field that is named, for Envoy passes it on.
func (r *Request) dropTE() *Error {
	v, ok := r.Headers.Get("te")
	if !ok {
		return nil
	}
	if len(v) > maxTE {
		return errNominated
	}
	for len(v) > 0 {
		var word []byte
		word, v, _ = bytes.Cut(v, comma)
		if equalFold(bytes.TrimSpace(word), "trailers") {
			r.Headers.Set(nameTE, wordTrailers)
			return nil
		}
	}
	r.Headers.Remove("te")
	return nil
}

var (
	comma        = []byte(",")
	nameTE       = []byte("te")
	wordTrailers = []byte("trailers")
)
