package http2

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/net/http2/hpack"
)

// decoded is what a decoder says of the blocks: the fields, and whether it fails, after
// which there is nothing more to say.
func decoded(write func([]byte) error, end func() error, fields *[]string, blocks [][]byte, cut int) []string {
	for _, b := range blocks {
		for len(b) > 0 {
			n := len(b)
			if cut > 0 {
				n = min(cut, n)
			}
			if write(b[:n]) != nil {
				return append(*fields, "error")
			}
			b = b[n:]
		}
		if end() != nil {
			return append(*fields, "error at the end")
		}
		*fields = append(*fields, "end")
	}
	return *fields
}

func decodeOurs(blocks [][]byte, maxString, cut int) []string {
	var fields []string
	var d decoder
	d.init(maxString, func(f *field) {
		if want := kindOf(f.name); f.kind != want {
			fields = append(fields, fmt.Sprint("kind ", f.kind, " in the place of ", want))
		}
		if want := validValue(f.value) && (f.kind.pseudo() || validName(f.name)); f.valid != want {
			fields = append(fields, fmt.Sprint("valid ", f.valid))
		}
		fields = append(fields, string(f.name)+"="+string(f.value))
	})
	return decoded(d.write, d.end, &fields, blocks, cut)
}

func decodeTheirs(blocks [][]byte, maxString, cut int) []string {
	var fields []string
	d := hpack.NewDecoder(tableSize, func(f hpack.HeaderField) { fields = append(fields, f.Name+"="+f.Value) })
	d.SetMaxStringLength(maxString)
	return decoded(func(p []byte) error { _, err := d.Write(p); return err }, d.Close, &fields, blocks, cut)
}

// TestStaticTable: the fields that need not be sent are those of x/net.
func TestStaticTable(t *testing.T) {
	for i := range 70 {
		block := [][]byte{appendInteger(nil, 0x80, 7, uint64(i))}
		if ours, theirs := decodeOurs(block, 100, 0), decodeTheirs(block, 100, 0); fmt.Sprint(ours) != fmt.Sprint(theirs) {
			t.Errorf("%d: %q, want %q", i, ours, theirs)
		}
	}
	for i, f := range staticTable {
		if n := staticName([]byte(f[0])); f[0] != ":status" && (n == 0 || n > i+1 || staticTable[n-1][0] != f[0]) {
			t.Errorf("%s: %d", f[0], n)
		}
	}
}

// FuzzDecoder holds the decoder against that of x/net, over several blocks of one
// connection that come in pieces. The input's first bytes say how.
func FuzzDecoder(f *testing.F) {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	var blocks [][]byte
	for i := range 60 {
		b.Reset()
		if i%17 == 5 {
			enc.SetMaxDynamicTableSizeLimit(uint32(4096 - 40*i))
		}
		for _, h := range []hpack.HeaderField{
			{Name: ":method", Value: "GET"},
			{Name: ":path", Value: fmt.Sprint("/", i/3)},
			{Name: "x-long", Value: strings.Repeat("x", 13*i)},
			{Name: "authorization", Value: "secret", Sensitive: true},
			{Name: fmt.Sprint("x-", i%7), Value: "\x00 bad"},
			{Name: "Cookie", Value: "a=b"},
		} {
			_ = enc.WriteField(h)
		}
		blocks = append(blocks, bytes.Clone(b.Bytes()))
	}
	f.Add([]byte{0, 0, 0x82, 0xbf}, []byte{}, []byte{})
	f.Add([]byte{1, 3, 0x3f, 0xe1, 0x1f, 0x40, 1, 'a', 1, 'b', 0xbe}, []byte{0xbe}, []byte{0x20, 0xbe})
	f.Add([]byte{2, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, []byte{0x0f}, []byte{0x10, 0x81})
	for i := 0; i+2 < len(blocks); i += 3 {
		f.Add(append([]byte{byte(i), byte(i)}, blocks[i]...), blocks[i+1], blocks[i+2])
	}
	f.Fuzz(func(t *testing.T, first, second, third []byte) {
		if len(first) < 2 {
			return
		}
		maxString, cut := 20+int(first[0])*4, int(first[1])%40
		blocks := [][]byte{first[2:], second, third, second, first[2:]}
		ours, theirs := decodeOurs(blocks, maxString, cut), decodeTheirs(blocks, maxString, cut)
		if fmt.Sprintf("%q", ours) != fmt.Sprintf("%q", theirs) {
			t.Errorf("%q\nwant\n%q", ours, theirs)
		}
	})
}

// TestDecoderOverLongConnections: the whole life of a table, with all that drives
// fields out of it.
func TestDecoderOverLongConnections(t *testing.T) {
	var b bytes.Buffer
	enc := hpack.NewEncoder(&b)
	var blocks [][]byte
	for i := range 3000 {
		b.Reset()
		if i == 1000 {
			enc.SetMaxDynamicTableSizeLimit(700)
		}
		for k := range 5 {
			_ = enc.WriteField(hpack.HeaderField{Name: fmt.Sprint("name-", i%(k+3)), Value: strings.Repeat("v", (i*k)%900) + fmt.Sprint(i%11)})
		}
		blocks = append(blocks, bytes.Clone(b.Bytes()))
	}
	for _, cut := range []int{0, 1, 7} {
		ours, theirs := decodeOurs(blocks, 2000, cut), decodeTheirs(blocks, 2000, cut)
		if fmt.Sprint(ours) != fmt.Sprint(theirs) {
			t.Fatalf("pieces of %d: they differ", cut)
		}
	}
}

// FuzzEncoder: what is encoded comes out of x/net's decoder as it was. The input's
// lines are fields, and a line that is a number changes the table's size.
func FuzzEncoder(f *testing.F) {
	f.Add("x-a:1\nx-a:1\n\nx-a:1\nx-a:2\nauthorization:secret\n\ndate:today\n", uint16(0), uint16(300))
	f.Add(":method:GET\n:path:/a\ncookie:a=b\nset-cookie:x\n"+strings.Repeat("x-b:"+strings.Repeat("long ", 100)+"\n", 3), uint16(4096), uint16(0))
	var long strings.Builder
	for i := range 400 {
		fmt.Fprintf(&long, "x-%d:%s\n", i%90, strings.Repeat("é~", i%50))
		if i%9 == 0 {
			long.WriteString("\n")
		}
	}
	f.Add(long.String(), uint16(500), uint16(200))
	f.Fuzz(func(t *testing.T, text string, status, limit uint16) {
		var e encoder
		e.init()
		var got, want []string
		d := hpack.NewDecoder(tableSize, func(f hpack.HeaderField) { got = append(got, f.Name+"="+f.Value) })
		for i, block := range strings.Split(text, "\n\n") {
			if i == 1 {
				e.setLimit(uint32(limit))
			}
			p := e.status(e.begin(nil), 100+int(status)%900)
			want = append(want, fmt.Sprint(":status=", 100+int(status)%900))
			for n, line := range strings.Split(block, "\n") {
				i := strings.LastIndex(line, ":")
				if i < 0 {
					continue
				}
				p = e.next(p, n, []byte(line[:i]), []byte(line[i+1:]))
				want = append(want, line[:i]+"="+line[i+1:])
			}
			if _, err := d.Write(p); err != nil {
				t.Fatal(err)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// TestEncoderUsesItsTable: what was sent before is an index, also when other fields
// came between; secrets and what changes each time are never kept.
func TestEncoderUsesItsTable(t *testing.T) {
	var e encoder
	e.init()
	name, value := []byte("x-frame-options"), []byte("deny")
	if n := len(e.field(nil, name, value)); n < 10 {
		t.Errorf("the first time in %d bytes", n)
	}
	for i := range 40 {
		for _, secret := range []string{"authorization", "set-cookie", "content-length"} {
			if n := len(e.field(nil, []byte(secret), fmt.Append(nil, "value-", i))); n < 6 {
				t.Errorf("%s in %d bytes", secret, n)
			}
		}
		if n := len(e.field(nil, []byte("x-n"), fmt.Append(nil, i))); i > 0 && n > 5 {
			t.Errorf("another value of a known name in %d bytes", n)
		}
		if n := len(e.field(nil, name, value)); n != 1 {
			t.Errorf("again in %d bytes", n)
		}
	}
	if p := e.field(nil, []byte("authorization"), []byte("x")); p[0]&0xf0 != indexNever {
		t.Errorf("a secret as %x", p)
	}
}

// FuzzHuffman holds Huffman's code in both directions against that of x/net.
func FuzzHuffman(f *testing.F) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	f.Add(all)
	f.Add([]byte("Bearer 0123456789abcdef\\{}\xff"))
	for _, end := range []string{"\xff\xff\xff\xff", "\xff\xff\xff\xfc", "\x1f", "\x1e", "\x07\xff", "\x00\xff\xff"} {
		f.Add([]byte(end))
		f.Add(append(hpack.AppendHuffmanString(nil, "abc"), end...))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		want, theirs := hpack.HuffmanDecodeToString(p)
		got, ours := appendDecoded(nil, p)
		if (theirs == nil) != (ours == nil) || theirs == nil && string(got) != want {
			t.Errorf("%x: %q, %v; want %q, %v", p, got, ours, want, theirs)
		}
		back, err := appendDecoded(nil, hpack.AppendHuffmanString(nil, string(p)))
		if err != nil || !bytes.Equal(back, p) {
			t.Errorf("%q is %q, %v", p, back, err)
		}
		if n := hpack.HuffmanEncodeLength(string(p)); n < uint64(len(p)) {
			if coded := appendString(nil, p); !bytes.HasSuffix(coded, hpack.AppendHuffmanString(nil, string(p))) {
				t.Errorf("%q as %x", p, coded)
			}
		}
	})
}
