package fetch_test

import (
	"testing"
	"time"

	"github.com/crossgate/crossgate/internal/fetch"
)

const app, service = "https://app.example.com", "https://api.example.com/a"

// visitor is a browser whose clock can be moved, and a service that allows all that it is told to.
type visitor struct {
	fetch.Browser
	now        time.Time
	answer     []fetch.Field
	preflights int
}

func visit(profile fetch.Profile, answer ...fetch.Field) *visitor {
	v := &visitor{now: time.Unix(0, 0)}
	v.answer = append(answer, fetch.Field{Name: "Access-Control-Allow-Origin", Value: app}, fetch.Field{Name: "Access-Control-Allow-Credentials", Value: "true"})
	v.Profile, v.Now = profile, func() time.Time { return v.now }
	return v
}

func (v *visitor) fetch(t *testing.T, c fetch.Call) {
	t.Helper()
	c.Page = app
	if c.URL == "" {
		c.URL = service
	}
	r := v.Fetch(c, func(r *fetch.Request) (*fetch.Response, error) {
		if r.Preflight {
			v.preflights++
		}
		return &fetch.Response{Status: 200, Headers: v.answer}, nil
	})
	if !r.OK() {
		t.Fatalf("%+v: %+v", c, r.Failure)
	}
}

// TestMaxAge has the figures that were recorded on Chrome 147: how many preflights two PUTs take, some seconds apart. By the
// standard a negative number is none, so that the default holds.
func TestMaxAge(t *testing.T) {
	for _, tt := range []struct {
		ages  []string
		apart time.Duration
		spec  int
		today int
	}{
		{nil, time.Second, 1, 1},
		{nil, 5600 * time.Millisecond, 2, 2},
		{[]string{"-1"}, time.Second, 1, 2},
		{[]string{"0"}, 0, 2, 2},
		{[]string{"60"}, 59 * time.Second, 1, 1},
		{[]string{"60"}, 61 * time.Second, 2, 2},
		{[]string{"abc"}, time.Second, 1, 1},
		{[]string{"60", "60"}, time.Second, 1, 1},
		{[]string{"60", "60"}, 6 * time.Second, 2, 2},
		{[]string{"60, 60"}, time.Second, 1, 1},
		{[]string{"7200.5"}, time.Second, 1, 1},
		{[]string{"99999999999999"}, time.Hour, 1, 1},
		{[]string{"99999999999999999999999"}, 3 * time.Hour, 1, 2},
	} {
		for profile, want := range map[fetch.Profile]int{fetch.Spec: tt.spec, fetch.Today: tt.today} {
			v := visit(profile, fetch.Field{Name: "Access-Control-Allow-Methods", Value: "PUT"})
			for _, age := range tt.ages {
				v.answer = append(v.answer, fetch.Field{Name: "Access-Control-Max-Age", Value: age})
			}
			v.fetch(t, fetch.Call{Method: "PUT"})
			v.now = v.now.Add(tt.apart)
			v.fetch(t, fetch.Call{Method: "PUT"})
			if v.preflights != want {
				t.Errorf("max-age %q, %v apart, %v: %d preflights, want %d", tt.ages, tt.apart, profile, v.preflights, want)
			}
		}
	}
}

// TestCacheKeys shows what a permission is kept for: the URL with its query, the names, and credentials in one direction.
func TestCacheKeys(t *testing.T) {
	x := func(names ...string) (fields []fetch.Field) {
		for _, n := range names {
			fields = append(fields, fetch.Field{Name: n, Value: "1"})
		}
		return fields
	}
	for _, tt := range []struct {
		name string
		then fetch.Call
		want int
	}{
		{"one of the names", fetch.Call{Headers: x("x-a")}, 1},
		{"all names, in capitals", fetch.Call{Headers: x("X-B", "X-A")}, 1},
		{"another name", fetch.Call{Headers: x("x-c")}, 2},
		{"an allowed method", fetch.Call{Headers: x("x-a"), Method: "PUT"}, 1},
		{"another method", fetch.Call{Headers: x("x-a"), Method: "DELETE"}, 2},
		{"another query", fetch.Call{Headers: x("x-a"), URL: service + "?q"}, 2},
		{"another fragment", fetch.Call{Headers: x("x-a"), URL: service + "#f"}, 1},
		{"with credentials", fetch.Call{Headers: x("x-a"), Credentials: fetch.Include}, 2},
		{"upload", fetch.Call{Headers: x("x-a"), Upload: true}, 2},
	} {
		v := visit(fetch.Spec, fetch.Field{Name: "Access-Control-Allow-Headers", Value: "x-a,x-b,x-c"},
			fetch.Field{Name: "Access-Control-Allow-Methods", Value: "PUT,DELETE"}, fetch.Field{Name: "Access-Control-Max-Age", Value: "60"})
		v.answer[0].Value, v.answer[1].Value = "x-a,x-b", "PUT"
		v.fetch(t, fetch.Call{Headers: x("x-a", "x-b")})
		v.answer[0].Value, v.answer[1].Value = "x-a,x-b,x-c", "PUT,DELETE"
		v.fetch(t, tt.then)
		if v.preflights != tt.want {
			t.Errorf("%s: %d preflights, want %d", tt.name, v.preflights, tt.want)
		}
	}

	v := visit(fetch.Spec, fetch.Field{Name: "Access-Control-Allow-Headers", Value: "x-a"})
	v.fetch(t, fetch.Call{Headers: x("x-a"), Credentials: fetch.Include})
	v.fetch(t, fetch.Call{Headers: x("x-a")})
	if v.preflights != 1 {
		t.Errorf("a permission with credentials serves a request without: %d preflights", v.preflights)
	}
}
