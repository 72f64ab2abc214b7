package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"text/template"
	"time"

	"github.com/crossgate/crossgate/internal/devkit"
)

const host = "api.shop.example"

// A tour is what there is to try while the demo runs.
type tour struct {
	Bin, Example, Host, CA string
	HTTPS, Admin           int
}

func newTour(bin string, offset int) (*tour, error) {
	dir, err := devkit.DefaultDir()
	if err != nil {
		return nil, err
	}
	ca, err := devkit.OpenCA(dir)
	if err != nil {
		return nil, err
	}
	return &tour{
		Bin: bin, Example: filepath.FromSlash(example), Host: host, CA: ca.CertFile(),
		HTTPS: 8443 + offset, Admin: 15000 + offset,
	}, nil
}

var text = template.Must(template.New("tour").Parse(`
Now try, in another terminal:

1. What a browser asks before a page of the shop may send a PUT. The answer is the gateway's own:

   curl -si --http1.1 --cacert '{{.CA}}' --resolve {{.Host}}:{{.HTTPS}}:127.0.0.1 -X OPTIONS -H 'Origin: https://www.shop.example' -H 'Access-Control-Request-Method: PUT' -H 'Access-Control-Request-Headers: content-type' https://{{.Host}}:{{.HTTPS}}/orders/7

2. The request itself. The backend answers with what it got:

   curl -si --http1.1 --cacert '{{.CA}}' --resolve {{.Host}}:{{.HTTPS}}:127.0.0.1 -H 'Origin: https://www.shop.example' https://{{.Host}}:{{.HTTPS}}/orders/7

3. The same from a page that is not allowed: no access-control-allow-origin, and a browser keeps the answer to itself.

   curl -si --http1.1 --cacert '{{.CA}}' --resolve {{.Host}}:{{.HTTPS}}:127.0.0.1 -H 'Origin: https://attacker.example' https://{{.Host}}:{{.HTTPS}}/orders/7

4. Change an origin in {{.Example}}/catalog.yaml, save, and ask again. Then break the file and look here: the
   error has a line and a column, and the gateway goes on with what it had.

5. What runs, in Envoy's words:  curl -s http://127.0.0.1:{{.Admin}}/config_dump
   What is wrong with a file:    {{.Bin}} analyze FILE

Ctrl-C ends the demo.
`))

func (t *tour) print(w io.Writer) {
	text.Execute(w, t) //nolint:errcheck // the terminal went away
}

// promised are the headers of the answer to the tour's first request.
var promised = map[string]string{
	"Access-Control-Allow-Origin":      "https://www.shop.example",
	"Access-Control-Allow-Credentials": "true",
	"Access-Control-Allow-Methods":     "GET,POST,PUT,DELETE",
	"Access-Control-Allow-Headers":     "content-type,authorization,x-request-id",
	"Access-Control-Max-Age":           "7200",
}

// check sends the first request of the tour and compares the answer.
func (t *tour) check(ctx context.Context, w io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	resp, err := t.preflight(ctx)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	var errs []error
	if resp.StatusCode != http.StatusOK {
		errs = append(errs, fmt.Errorf("preflight: %s, want 200", resp.Status))
	}
	for name, want := range promised {
		if got := resp.Header.Get(name); got != want {
			errs = append(errs, fmt.Errorf("preflight: %s: %q, want %q", name, got, want))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	fmt.Fprintln(w, "The preflight was asked and answered as promised.")
	return nil
}

func (t *tour) preflight(ctx context.Context) (*http.Response, error) {
	pem, err := os.ReadFile(t.CA)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(t.HTTPS))
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodOptions, fmt.Sprintf("https://%s:%d/orders/7", t.Host, t.HTTPS), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Origin", "https://www.shop.example")
	req.Header.Set("Access-Control-Request-Method", "PUT")
	req.Header.Set("Access-Control-Request-Headers", "content-type")
	return client.Do(req)
}
