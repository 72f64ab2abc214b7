package square

import (
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/crossgate/crossgate/test/rawhttp"
)

// TestClientsReset compares the log lines of requests whose streams the client resets
// while they are delayed, and while their service takes its time.
func TestClientsReset(t *testing.T) {
	b := newBench(t, planesOf(t))
	corners := b.corners(faultBootstrap(b.up.Port()))
	for _, corner := range corners {
		for target, plan := range map[string]rawhttp.Plan{
			"/long/reset":  {},
			"/base/reset":  {Sleep: time.Second},
			"/delay/reset": {Sleep: time.Second},
		} {
			h, err := corner.dialHTTP2("")
			if err != nil {
				t.Fatal(err)
			}
			b.desk.Expect(target, plan)
			id, err := h.send(fieldsOf(&Request{Method: "GET", Target: target, Fields: rawhttp.Fields{{Name: "Host", Value: "a.test"}}}, target), nil)
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(500 * time.Millisecond)
			if err := h.fr.WriteRSTStream(id, http2.ErrCodeCancel); err != nil {
				t.Fatal(err)
			}
			time.Sleep(200 * time.Millisecond)
			if err := h.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
	time.Sleep(time.Second) // the services that nobody waits for
	compareRawLogs(t, corners)
}
