package upstream

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestScheduleSpreadsByWeight(t *testing.T) {
	for _, tc := range []struct {
		weights []uint32
		want    []uint16
	}{
		{[]uint32{0, 0, 0}, []uint16{0, 1, 2}},
		{[]uint32{7, 7}, []uint16{0, 1}},
		{[]uint32{1, 3}, []uint16{1, 1, 0, 1}},
	} {
		got := newSchedule(tc.weights)
		if len(tc.weights) == 2 && tc.weights[1] == 3 {
			// Where the lighter host stands is open, how often it comes is not.
			count := [2]int{}
			for _, h := range got {
				count[h]++
			}
			if count != [2]int{1, 3} {
				t.Errorf("weights %v: %v", tc.weights, got)
			}
			continue
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("weights %v (-want +got):\n%s", tc.weights, diff)
		}
	}
	if n := len(newSchedule([]uint32{1, 1 << 31})); n > maxSchedule+2 {
		t.Errorf("a round of %d choices", n)
	}
}

func TestRetryLimit(t *testing.T) {
	c := &Cluster{limits: newLimits(nil)}
	for i := range defaultRetries {
		if !c.BeginRetry() {
			t.Fatalf("retry %d refused", i)
		}
	}
	if c.BeginRetry() {
		t.Error("one retry too many")
	}
	c.EndRetry()
	if !c.BeginRetry() {
		t.Error("an ended retry makes no room")
	}
}
