package devkit

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func openTestCA(t *testing.T, dir string) *CA {
	t.Helper()
	ca, err := OpenCA(dir)
	if err != nil {
		t.Fatal(err)
	}
	return ca
}

// leafCert parses a leaf as a TLS server would load it.
func leafCert(t *testing.T, l *Leaf) *x509.Certificate {
	t.Helper()
	kp, err := tls.X509KeyPair(l.CertPEM, l.KeyPEM)
	if err != nil {
		t.Fatal(err)
	}
	return kp.Leaf
}

func pool(t *testing.T, pem []byte) *x509.CertPool {
	t.Helper()
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(pem) {
		t.Fatal("no certificate in PEM")
	}
	return p
}

func TestLeafVerifiesForItsHosts(t *testing.T) {
	ca := openTestCA(t, filepath.Join(t.TempDir(), "crossgate"))
	leaf, skipped, err := ca.Leaf([]string{"API.example.com", "*.shop.example.com", "*", "no spaces.example", "192.0.2.7", "bad-.example"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"*", "no spaces.example", "bad-.example"}, skipped); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
	roots, err := os.ReadFile(ca.CertFile())
	if err != nil {
		t.Fatal(err)
	}
	cert := leafCert(t, leaf)
	for _, host := range []string{"api.example.com", "www.shop.example.com", "localhost", "127.0.0.1", "::1", "192.0.2.7"} {
		if _, err := cert.Verify(x509.VerifyOptions{DNSName: host, Roots: pool(t, roots)}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	for _, host := range []string{"example.com", "a.b.shop.example.com", "other.example.com", "127.0.0.2"} {
		if err := cert.VerifyHostname(host); err == nil {
			t.Errorf("the certificate is good for %s", host)
		}
	}
	if cert.IsCA {
		t.Error("the leaf is a CA")
	}
	if got := time.Until(cert.NotAfter); got > leafLifetime || got < leafLifetime-time.Hour {
		t.Errorf("the leaf lives for %s", got)
	}
}

func TestLeafIsKeptAndRenewed(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	clock := func() time.Time { return now }
	ca, err := openCA(dir, clock)
	if err != nil {
		t.Fatal(err)
	}
	first, _, err := ca.Leaf([]string{"a.example", "b.example"})
	if err != nil {
		t.Fatal(err)
	}
	again, err := openCA(dir, clock) // a restart
	if err != nil {
		t.Fatal(err)
	}
	same, _, err := again.Leaf([]string{"b.example", "a.example", "a.example"})
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(first.CertPEM, same.CertPEM) || !bytes.Equal(first.KeyPEM, same.KeyPEM) {
		t.Error("a restart changed the certificate")
	}

	now = now.Add(leafLifetime - renewBefore + time.Minute)
	renewed, _, err := again.Leaf([]string{"a.example", "b.example"})
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(first.CertPEM, renewed.CertPEM) {
		t.Error("a certificate near its end was not renewed")
	}
	if diff := cmp.Diff(first.Hosts, renewed.Hosts); diff != "" {
		t.Errorf("hosts (-first +renewed):\n%s", diff)
	}
}

// TestOpenCAConcurrently starts many at once on an empty folder: all must end
// with one CA and one leaf, for a client trusts only what the file ca.crt says.
func TestOpenCAConcurrently(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "crossgate")
	const n = 16
	leaves := make([]*Leaf, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			ca, err := OpenCA(dir)
			if err != nil {
				t.Error(err)
				return
			}
			if leaves[i], _, err = ca.Leaf([]string{"a.example"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	roots, err := os.ReadFile(filepath.Join(dir, caCertFile))
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range leaves {
		if !bytes.Equal(l.CertPEM, leaves[0].CertPEM) {
			t.Errorf("start %d has a certificate of its own", i)
		}
		if _, err := leafCert(t, l).Verify(x509.VerifyOptions{Roots: pool(t, roots)}); err != nil {
			t.Errorf("start %d: %v", i, err)
		}
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.tmp-*")); len(files) > 0 {
		t.Errorf("temporary files left: %v", files)
	}
}

func TestFileModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	dir := filepath.Join(t.TempDir(), "crossgate")
	ca := openTestCA(t, dir)
	if _, _, err := ca.Leaf(nil); err != nil {
		t.Fatal(err)
	}
	mode := func(p string) fs.FileMode {
		st, err := os.Stat(p)
		if err != nil {
			t.Fatal(err)
		}
		return st.Mode().Perm()
	}
	if m := mode(dir); m != 0o700 {
		t.Errorf("folder: %o", m)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	for _, f := range files {
		data, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if m := mode(f); bytes.Contains(data, []byte("PRIVATE KEY")) && m != 0o600 {
			t.Errorf("%s holds a key and has mode %o", f, m)
		}
	}
}

func TestOpenCARefuses(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(t *testing.T, dir string)
		want  string
		unix  bool
	}{
		{"garbage", func(t *testing.T, dir string) {
			writeTestFile(t, filepath.Join(dir, caKeyFile), []byte("hello"), 0o600)
		}, "not a private key with its certificate", false},
		{"readable key", func(t *testing.T, dir string) {
			if err := os.Chmod(filepath.Join(dir, caKeyFile), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "chmod 600", true},
		{"a leaf", func(t *testing.T, dir string) {
			leaf, _, err := openTestCA(t, dir).Leaf(nil)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = leaf, dir
			files, _ := filepath.Glob(filepath.Join(dir, "leaf-*"))
			if err := os.Rename(files[0], filepath.Join(dir, caKeyFile)); err != nil {
				t.Fatal(err)
			}
		}, "not the certificate of a CA", false},
		{"a foreign key", func(t *testing.T, dir string) {
			other := t.TempDir()
			openTestCA(t, other)
			theirs, err := os.ReadFile(filepath.Join(other, caKeyFile))
			if err != nil {
				t.Fatal(err)
			}
			ours, err := os.ReadFile(filepath.Join(dir, caCertFile))
			if err != nil {
				t.Fatal(err)
			}
			writeTestFile(t, filepath.Join(dir, caKeyFile), append(theirs, ours...), 0o600)
		}, "not that of the certificate", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if tt.unix && runtime.GOOS == "windows" {
				t.Skip("Windows has no such modes")
			}
			dir := t.TempDir()
			openTestCA(t, dir)
			tt.spoil(t, dir)
			_, err := OpenCA(dir)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("got error %v, want %q with the file's name", err, tt.want)
			}
		})
	}
}

func TestEndedCA(t *testing.T) {
	dir := t.TempDir()
	openTestCA(t, dir)
	_, err := openCA(dir, func() time.Time { return time.Now().Add(caLifetime) })
	if err == nil || !strings.Contains(err.Error(), "ended on") {
		t.Errorf("got %v", err)
	}
}

// TestPublishFollowsTheKey: a ca.crt that is missing or of a former CA would
// make the printed curl fail.
func TestPublishFollowsTheKey(t *testing.T) {
	dir := t.TempDir()
	ca := openTestCA(t, dir)
	writeTestFile(t, ca.CertFile(), []byte("stale"), 0o644)
	openTestCA(t, dir)
	got, err := os.ReadFile(ca.CertFile())
	if err != nil || !bytes.Equal(got, ca.CertPEM()) {
		t.Errorf("ca.crt was not repaired: %q, %v", got, err)
	}
}

func writeTestFile(t *testing.T, path string, data []byte, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, data, mode); err != nil {
		t.Fatal(err)
	}
}
