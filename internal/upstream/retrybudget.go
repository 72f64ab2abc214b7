package upstream

import (
	"sync"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
)

// retryBudget limits the retries under way to a share of the requests, in place of
// max_retries.
type retryBudget struct {
	percent float64
	least   int64
	recent  *recent // nil: only requests under way count
}

const (
	defaultBudgetPercent = 20
	defaultLeastRetries  = 3
)

func newRetryBudget(b *clusterv3.CircuitBreakers_Thresholds_RetryBudget) *retryBudget {
	if b == nil {
		return nil
	}
	out := &retryBudget{percent: defaultBudgetPercent, least: int64(number(b.GetMinRetryConcurrency(), defaultLeastRetries))}
	if p := b.GetBudgetPercent(); p != nil {
		out.percent = p.GetValue()
	}
	if d := b.GetBudgetInterval().AsDuration(); d > 0 {
		out.recent = &recent{slot: max(d/budgetSlots, 1)}
	}
	return out
}

// limit is how many retries may be under way beside so many other requests. As
// measured on Envoy 1.40, those that began lately count beside those under way.
func (b *retryBudget) limit(others int64) int64 {
	requests := others
	if b.recent != nil {
		requests += b.recent.count(time.Now(), 0)
	}
	return max(int64(b.percent*float64(requests)/100), b.least)
}

// budgetSlots is into how many parts the interval of a budget is cut: a request
// counts for the interval, and up to a part of it longer.
const budgetSlots = 16

// recent counts the requests that began within an interval.
type recent struct {
	slot time.Duration

	mu    sync.Mutex
	last  int64 // the slot of the last count
	total int64
	slots [budgetSlots + 1]int64
}

// count adds n at now and returns how many are within the interval.
func (r *recent) count(now time.Time, n int64) int64 {
	at := now.UnixNano() / int64(r.slot)
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := max(r.last+1, at-budgetSlots); i <= at; i++ {
		old := &r.slots[i%int64(len(r.slots))]
		r.total -= *old
		*old = 0
	}
	r.last = max(r.last, at)
	r.slots[r.last%int64(len(r.slots))] += n
	r.total += n
	return r.total
}
