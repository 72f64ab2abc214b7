package translate

import "testing"

func TestParseUpstream(t *testing.T) {
	for in, want := range map[string]Upstream{
		"api=127.0.0.1:3000":                 {Host: "api", Address: "127.0.0.1", AddressPort: 3000},
		"api.production:8080=localhost:3000": {Host: "api.production", Port: 8080, Address: "localhost", AddressPort: 3000},
		"API.example.com=[::1]:1":            {Host: "api.example.com", Address: "::1", AddressPort: 1},
	} {
		got, err := ParseUpstream(in)
		if err != nil || got != want {
			t.Errorf("ParseUpstream(%q) = %+v, %v", in, got, err)
		}
	}
	for _, in := range []string{
		"", "api", "api=", "=127.0.0.1:1", "api=127.0.0.1", "api=127.0.0.1:0", "api=127.0.0.1:65536", "api:0=127.0.0.1:1",
		"api:x=127.0.0.1:1", "api:=127.0.0.1:1", "api=:80", "a b=127.0.0.1:1", "a|b=127.0.0.1:1", "api=http://127.0.0.1:1",
	} {
		if got, err := ParseUpstream(in); err == nil {
			t.Errorf("ParseUpstream(%q) = %+v, want an error", in, got)
		}
	}
}

func FuzzParseUpstream(f *testing.F) {
	f.Add("api.production:8080=[::1]:3000")
	f.Add("a=b:1")
	f.Fuzz(func(t *testing.T, s string) {
		// What is accepted reads the same when it is written again.
		u, err := ParseUpstream(s)
		if err != nil {
			return
		}
		again, err := ParseUpstream(u.String())
		if err != nil || again != u {
			t.Errorf("%q → %+v → %q → %+v, %v", s, u, u.String(), again, err)
		}
	})
}
