package http1

import (
	"bytes"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/crossgate/crossgate/internal/header"
)

// result is a parse in a form that can be compared.
type result struct {
	N       int
	Err     *Error
	Request Request
}

// ignoreMarks is for lists whose fields alone are compared.
var ignoreMarks = cmpopts.IgnoreUnexported(header.List{})

var compareRequests = cmp.Options{
	ignoreMarks,
	cmpopts.IgnoreFields(Request{}, "Arena", "FieldBytes", "scan"),
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b *Error) bool { return a == b }),
}

// parseSplit parses a copy of in that grows at the cuts, each time in another
// buffer.
func parseSplit(in []byte, cuts *rand.Rand, o *Options) (res result) {
	r := &res.Request
	for end := 0; ; {
		step := 1
		if cuts == nil {
			step = len(in)
		} else if cuts.IntN(4) == 0 {
			step = 1 + cuts.IntN(64)
		}
		end = min(end+step, len(in))
		res.N, res.Err = ParseRequest(bytes.Clone(in[:end]), r, o)
		if res.N > 0 || res.Err != nil || end == len(in) {
			if res.N == 0 {
				res.Request = Request{}
			}
			return res
		}
	}
}

func seedRequests(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	f.Add([]byte(browserRequest), uint64(1))
	for range 200 {
		f.Add(append(oddRequest(rng), last...), rng.Uint64())
	}
}

// The pieces in which a head arrives change nothing.
func FuzzParseRequestSplit(f *testing.F) {
	seedRequests(f)
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		o := &Options{AllowCustomMethods: seed&1 != 0, AcceptHTTP10: seed&2 != 0, MaxHeadBytes: int(seed >> 2 & 1 * 200)}
		if len(in) > 4<<10 {
			return // byte by byte, and copied each time
		}
		whole := parseSplit(in, nil, o)
		split := parseSplit(in, rand.New(rand.NewPCG(seed, 0)), o)
		if diff := cmp.Diff(whole, split, compareRequests); diff != "" {
			t.Errorf("%q (-at once +in pieces):\n%s", in, diff)
		}
	})
}

// What we forward reads, for the next party, as what we understood: the same
// request, and one only.
func FuzzRequestRoundTrip(f *testing.F) {
	seedRequests(f)
	f.Fuzz(func(t *testing.T, in []byte, _ uint64) {
		var r Request
		n, err := ParseRequest(bytes.Clone(in), &r, nil)
		if n == 0 || err != nil || string(r.Method) == "CONNECT" || !r.HasHost && r.Scheme == nil {
			return
		}
		r.Headers.Remove("transfer-encoding")
		out := AppendRequestHead(nil, r.Method, r.Target, r.Authority, &r.Headers, r.Framing)
		// A Host field comes on top where the target named the host.
		o := &Options{RefuseAbsoluteURL: true, MaxHeaders: DefaultMaxHeaders + 1}
		var again Request
		if r.Target[0] != '/' {
			return // never forwarded: the connection manager refuses it
		}
		n, err = ParseRequest(bytes.Clone(out), &again, o)
		if n != len(out) || err != nil {
			t.Fatalf("%q became %q: read %d of %d bytes, %v", in, out, n, len(out), err)
		}
		again.Headers.Remove("transfer-encoding")
		ignore := cmpopts.IgnoreFields(Request{}, "Scheme", "HasHost", "Minor", "Close", "KeepAlive10")
		if diff := cmp.Diff(r, again, compareRequests, ignore); diff != "" {
			t.Errorf("%q became %q (-received +forwarded):\n%s", in, out, diff)
		}
	})
}

// decode runs the decoder over in, which comes in pieces.
func decode(in []byte, cuts *rand.Rand) (data []byte, n int, done bool, err *Error, trailers header.List) {
	d := ChunkDecoder{KeepTrailers: true}
	for end := 0; !done; {
		if cuts == nil {
			end = len(in)
		} else {
			end = min(end+1+cuts.IntN(9), len(in))
		}
		for {
			piece, used, fin, fault := d.Next(in[n:end:end])
			data, n, done, err = append(data, piece...), n+used, fin, fault
			if err != nil {
				return data, 0, false, err, header.List{}
			}
			if done || used == 0 {
				break
			}
		}
		if end == len(in) {
			break
		}
	}
	return data, n, done, nil, d.Trailers
}

// The pieces in which a chunked body arrives change nothing, and what was encoded
// decodes to itself without a byte more being taken.
func FuzzChunked(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		f.Add([]byte(oddChunks(rng)), rng.Uint64())
	}
	f.Fuzz(func(t *testing.T, in []byte, seed uint64) {
		data, n, done, err, trailers := decode(in, nil)
		data2, n2, done2, err2, trailers2 := decode(in, rand.New(rand.NewPCG(seed, 0)))
		if done != done2 || err != err2 || err == nil && (n != n2 || !bytes.Equal(data, data2)) {
			t.Errorf("%q: at once %q %d %v %v, in pieces %q %d %v %v", in, data, n, done, err, data2, n2, done2, err2)
		}
		if diff := cmp.Diff(trailers, trailers2, ignoreMarks, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q: trailers (-at once +in pieces):\n%s", in, diff)
		}

		var out []byte
		cuts := rand.New(rand.NewPCG(seed, 1))
		for rest := in; len(rest) > 0; {
			size := 1 + cuts.IntN(len(rest))
			out = append(append(AppendChunkHead(out, size), rest[:size]...), "\r\n"...)
			rest = rest[size:]
		}
		out = AppendLastChunk(out, nil)
		back, n, done, err, _ := decode(append(out, "GET "...), cuts)
		if err != nil || !done || n != len(out) || !bytes.Equal(back, in) {
			t.Errorf("%q was encoded as %q and decoded to %q (%d, %v, %v)", in, out, back, n, done, err)
		}
	})
}

// A response that is accepted has a sane status and one framing, and what we
// write of it is read the same.
func FuzzParseResponse(f *testing.F) {
	for _, s := range []string{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "HTTP/1.0 200\n\nhi", "HTTP/1.1 204 X\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 100 C\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nVary: a\r\nVary: b\r\n\r\n",
		"HTTP/1.1 304 X\r\nContent-Length: 5\r\n\r\n", "HTTP/1.1 101 S\r\nUpgrade: x\r\n\r\n", "HTTP/1.1 200 OK\r\nA: 1\r\n 2\r\nA: 3\r\n\r\n",
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	f.Fuzz(func(t *testing.T, in []byte, head bool) {
		method := []byte("GET")
		if head {
			method = []byte("HEAD")
		}
		var r Response
		n, err := ParseResponse(bytes.Clone(in), method, &r, nil)
		if n == 0 || err != nil {
			return
		}
		if r.Status < 100 || r.Status > 999 || r.Framing == Length && r.ContentLength <= 0 || head && r.Framing != NoBody {
			t.Fatalf("%q: %+v", in, r)
		}
		r.Headers.Remove("transfer-encoding")
		r.Headers.Remove("connection")
		r.Headers.Remove("proxy-connection")
		out := AppendResponseHead(nil, r.Status, &r.Headers, r.Framing, r.Close)
		var again Response
		n, err = ParseResponse(bytes.Clone(out), method, &again, nil)
		if n != len(out) || err != nil {
			t.Fatalf("%q became %q: read %d, %v", in, out, n, err)
		}
		again.Headers.Remove("transfer-encoding")
		again.Headers.Remove("connection")
		if diff := cmp.Diff(r, again, cmpopts.IgnoreFields(Response{}, "Arena", "FieldBytes", "scan", "Minor"), ignoreMarks, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q became %q (-received +written):\n%s", in, out, diff)
		}
	})
}

func TestChunkHead(t *testing.T) {
	for _, n := range []int{1, 9, 10, 15, 16, 255, 256, 4096, 1 << 20, 1<<62 + 1} {
		if got, want := string(AppendChunkHead(nil, n)), strconv.FormatInt(int64(n), 16)+"\r\n"; got != want {
			t.Errorf("AppendChunkHead(%d) = %q, want %q", n, got, want)
		}
	}
}
