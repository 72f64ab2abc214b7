package console

import (
	"net/http"
	"runtime/metrics"
)

// memoryUse has the fields of envoy.admin.v3.Memory, in bytes and as strings as
// the JSON form of uint64 is. Envoy's are of its allocator, tcmalloc; here each
// is the nearest that Go's runtime knows.
type memoryUse struct {
	Allocated    uint64 `json:"allocated,string"`          // in objects, garbage included
	HeapSize     uint64 `json:"heap_size,string"`          // the heap without what is given back
	Unmapped     uint64 `json:"pageheap_unmapped,string"`  // given back to the system
	Free         uint64 `json:"pageheap_free,string"`      // kept for what comes
	ThreadCache  uint64 `json:"total_thread_cache,string"` // in pages in use, not yet in objects
	PhysicalSize uint64 `json:"total_physical_bytes,string"`
}

// readMemory does not stop the program, as runtime.ReadMemStats would.
func readMemory() memoryUse {
	s := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/total:bytes"},
	}
	metrics.Read(s)
	objects, unused, free, released := s[0].Value.Uint64(), s[1].Value.Uint64(), s[2].Value.Uint64(), s[3].Value.Uint64()
	return memoryUse{
		Allocated:    objects,
		HeapSize:     objects + unused + free,
		Unmapped:     released,
		Free:         free,
		ThreadCache:  unused,
		PhysicalSize: s[4].Value.Uint64() - released,
	}
}

// MemorySizes are the sizes of Envoy's statistics server.memory_allocated,
// memory_heap_size and memory_physical_size.
func MemorySizes() (allocated, heap, physical uint64) {
	m := readMemory()
	return m.Allocated, m.HeapSize, m.PhysicalSize
}

func (c *console) memory(w http.ResponseWriter, _ *http.Request) { writeIndented(w, readMemory()) }
