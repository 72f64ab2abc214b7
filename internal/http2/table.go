package http2

// staticTable are the fields that both sides know from the beginning (RFC 7541
// appendix A); the field of index i is at i-1.
var staticTable = [...][2]string{
	{":authority", ""},
	{":method", "GET"},
	{":method", "POST"},
	{":path", "/"},
	{":path", "/index.html"},
	{":scheme", "http"},
	{":scheme", "https"},
	{":status", "200"},
	{":status", "204"},
	{":status", "206"},
	{":status", "304"},
	{":status", "400"},
	{":status", "404"},
	{":status", "500"},
	{"accept-charset", ""},
	{"accept-encoding", "gzip, deflate"},
	{"accept-language", ""},
	{"accept-ranges", ""},
	{"accept", ""},
	{"access-control-allow-origin", ""},
	{"age", ""},
	{"allow", ""},
	{"authorization", ""},
	{"cache-control", ""},
	{"content-disposition", ""},
	{"content-encoding", ""},
	{"content-language", ""},
	{"content-length", ""},
	{"content-location", ""},
	{"content-range", ""},
	{"content-type", ""},
	{"cookie", ""},
	{"date", ""},
	{"etag", ""},
	{"expect", ""},
	{"expires", ""},
	{"from", ""},
	{"host", ""},
	{"if-match", ""},
	{"if-modified-since", ""},
	{"if-none-match", ""},
	{"if-range", ""},
	{"if-unmodified-since", ""},
	{"last-modified", ""},
	{"link", ""},
	{"location", ""},
	{"max-forwards", ""},
	{"proxy-authenticate", ""},
	{"proxy-authorization", ""},
	{"range", ""},
	{"referer", ""},
	{"refresh", ""},
	{"retry-after", ""},
	{"server", ""},
	{"set-cookie", ""},
	{"strict-transport-security", ""},
	{"transfer-encoding", ""},
	{"user-agent", ""},
	{"vary", ""},
	{"via", ""},
	{"www-authenticate", ""},
}

// staticFields are the fields of staticTable as the decoder gives them on.
var staticFields = makeStaticFields()

func makeStaticFields() (list [len(staticTable)]field) {
	for i, f := range staticTable {
		list[i] = field{name: []byte(f[0]), value: []byte(f[1]), kind: kindOf([]byte(f[0])), static: true, valid: true}
	}
	return list
}

// Sizes of dynamic tables in bytes, as HPACK counts them (RFC 7541 section 4.1):
// what SETTINGS_HEADER_TABLE_SIZE is without being told, and what a field costs
// beside its name and value.
const (
	tableSize     = 4096
	fieldOverhead = 32
)

// table is a dynamic table (RFC 7541 section 2.3.2): the fields that were sent last,
// in memory that is bounded by twice its size.
type table struct {
	fields []tableField // the oldest first; those before first are gone
	first  int
	buf    []byte // names and values
	spare  []byte // the buf before, until the next one is full
	size   uint32
	limit  uint32
	added  uint32 // how many there have been
}

type tableField struct {
	at          int // in buf
	name, value int // lengths
	kind        fieldKind
	valid       bool
}

func (t *table) len() int { return len(t.fields) - t.first }

// field returns the field that was added as the i-th before the next one, from 1 on.
func (t *table) field(i int) *tableField { return &t.fields[len(t.fields)-i] }

func (t *table) name(f *tableField) []byte  { return t.buf[f.at : f.at+f.name] }
func (t *table) value(f *tableField) []byte { return t.buf[f.at+f.name : f.at+f.name+f.value] }

// setLimit changes the size; what has no room any more goes.
func (t *table) setLimit(n uint32) {
	t.limit = n
	t.evict(0)
}

// evict makes room for a field of n bytes.
func (t *table) evict(n uint32) {
	for t.len() > 0 && t.size+n > t.limit {
		f := &t.fields[t.first]
		t.size -= uint32(f.name+f.value) + fieldOverhead
		t.first++
	}
}

// add adds a field; one that is larger than the table empties it (RFC 7541 section
// 4.4). The name may be one of the table's.
func (t *table) add(name, value []byte, kind fieldKind, valid bool) {
	need := len(name) + len(value)
	t.evict(uint32(need) + fieldOverhead)
	if uint32(need)+fieldOverhead > t.limit {
		return
	}
	if t.first > 0 && len(t.fields) == cap(t.fields) {
		t.fields = t.fields[:copy(t.fields, t.fields[t.first:])]
		t.first = 0
	}
	if need > cap(t.buf)-len(t.buf) {
		t.move(need)
	}
	t.fields = append(t.fields, tableField{len(t.buf), len(name), len(value), kind, valid})
	t.buf = append(append(t.buf, name...), value...)
	t.size += uint32(need) + fieldOverhead
	t.added++
}

// move copies what is alive to the other buffer, with room for need more. The buffer
// before stays as it is: the name of a new field may be there.
func (t *table) move(need int) {
	live := int(t.size) - fieldOverhead*t.len()
	to := t.spare[:0]
	if room := max(256, 2*(live+need)); cap(to) < room {
		to = make([]byte, 0, room)
	}
	for i := t.first; i < len(t.fields); i++ {
		f := &t.fields[i]
		at := len(to)
		to = append(to, t.buf[f.at:f.at+f.name+f.value]...)
		f.at = at
	}
	t.buf, t.spare = to, t.buf
}
