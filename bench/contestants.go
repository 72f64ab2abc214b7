package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"embed"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"text/template"
	"time"
)

//go:embed conf
var confFiles embed.FS

// A contestant is a proxy at work.
type contestant struct {
	name        string
	conf        string                              // its template in conf/
	command     func(o *options, f string) []string // the command for the rendered file f
	http, https int                                 // its ports
	proc        *process
}

func contestants() []*contestant {
	return []*contestant{
		{name: "crossgate", conf: "envoy.yaml", command: func(o *options, f string) []string {
			return []string{o.crossgate, "proxy", "-c", f}
		}},
		{name: "envoy", conf: "envoy.yaml", command: func(o *options, f string) []string {
			return []string{o.envoy, "-c", f, "--concurrency", "1", "-l", "error", "--disable-hot-restart"}
		}},
		{name: "nginx", conf: "nginx.conf", command: func(_ *options, f string) []string {
			return []string{"nginx", "-p", filepath.Dir(f), "-c", f, "-g", "daemon off;"}
		}},
		{name: "haproxy", conf: "haproxy.cfg", command: func(_ *options, f string) []string {
			return []string{"haproxy", "-f", f, "-db"}
		}},
	}
}

// The upstream and the load generator share a core; the proxy has its own.
const (
	loadCore  = 0
	proxyCore = 1
)

type bench struct {
	*options
	contestants  []*contestant
	upstream     *process
	upstreamPort int
}

// startUpstream runs the upstream.
func (b *bench) startUpstream(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if b.upstreamPort, err = freePort(); err != nil {
		return err
	}
	up := "127.0.0.1:" + strconv.Itoa(b.upstreamPort)
	if b.upstream, err = startProcess(loadCore, filepath.Join(b.dir, "upstream.log"), []string{self, "upstream", up}); err != nil {
		return err
	}
	return b.upstream.waitFor(ctx, b.upstreamPort)
}

// start runs every contestant that is installed.
func (b *bench) start(ctx context.Context) error {
	if err := writeCertificate(b.dir); err != nil {
		return err
	}
	for _, c := range contestants() {
		if len(b.only) > 0 && !slices.Contains(b.only, c.name) {
			continue
		}
		if err := b.startContestant(ctx, c); errors.Is(err, exec.ErrNotFound) {
			fmt.Printf("%-10s is not installed\n", c.name)
			continue
		} else if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	if len(b.contestants) == 0 {
		return errors.New("no contestant is installed")
	}
	return nil
}

func (b *bench) startContestant(ctx context.Context, c *contestant) (err error) {
	if c.http, err = freePort(); err != nil {
		return err
	}
	if c.https, err = freePort(); err != nil {
		return err
	}
	file := filepath.Join(b.dir, c.name+filepath.Ext(c.conf))
	if err := b.render(c, file); err != nil {
		return err
	}
	if c.proc, err = b.startProxy(ctx, c.name, c.command(b.options, file), c.http); c.proc != nil {
		b.contestants = append(b.contestants, c)
	}
	return err
}

// startProxy runs a proxy until it listens on a port.
func (b *bench) startProxy(ctx context.Context, name string, command []string, port int) (*process, error) {
	var err error
	if command[0], err = lookUp(command[0]); err != nil {
		return nil, err
	}
	p, err := startProcess(proxyCore, filepath.Join(b.dir, name+".log"), command)
	if err != nil {
		return nil, err
	}
	return p, p.waitFor(ctx, port)
}

// lookUp finds a command also where daemons are kept.
func lookUp(command string) (string, error) {
	for _, dir := range []string{"", "/usr/sbin/", "/usr/local/sbin/"} {
		if path, err := exec.LookPath(dir + command); err == nil {
			return filepath.Abs(path)
		}
	}
	return "", fmt.Errorf("%s: %w", command, exec.ErrNotFound)
}

// render writes the configuration of c.
func (b *bench) render(c *contestant, file string) error {
	tmpl, err := template.ParseFS(confFiles, "conf/"+c.conf)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	err = tmpl.Execute(&out, map[string]any{
		"Dir": b.dir, "HTTP": c.http, "HTTPS": c.https, "Upstream": b.upstreamPort,
		"TLS": b.withTLS(),
	})
	if err != nil {
		return err
	}
	return os.WriteFile(file, out.Bytes(), 0o644)
}

// withTLS tells whether something is measured over TLS.
func (b *bench) withTLS() bool {
	return b.idles || slices.ContainsFunc(b.workloads, func(w workload) bool { return w.tls })
}

// withHTTP2 tells whether something is measured over HTTP/2.
func (b *bench) withHTTP2() bool {
	return slices.ContainsFunc(b.workloads, func(w workload) bool { return w.http2 })
}

// stop ends everything that start started.
func (b *bench) stop() error {
	errs := []error{b.stopContestants()}
	if b.upstream != nil {
		errs = append(errs, b.upstream.stop())
	}
	return errors.Join(errs...)
}

func (b *bench) stopContestants() error {
	var errs []error
	for _, c := range b.contestants {
		errs = append(errs, c.proc.stop())
	}
	b.contestants = nil
	return errors.Join(errs...)
}

// freePort asks the kernel for a port that nobody uses.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// writeCertificate puts cert.pem, key.pem and both.pem (the two in one file, as
// HAProxy wants them) into dir.
func writeCertificate(dir string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		DNSNames:     []string{host},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "cert.pem"), certPEM, 0o644),
		os.WriteFile(filepath.Join(dir, "key.pem"), keyPEM, 0o600),
		os.WriteFile(filepath.Join(dir, "both.pem"), slices.Concat(certPEM, keyPEM), 0o600),
	)
}
