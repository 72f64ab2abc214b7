package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/crossgate/crossgate/internal/diag"
)

// askTimeout bounds how long an instance may take to answer.
const askTimeout = 5 * time.Second

// ask returns the findings of the instance that runs on this machine.
func (f *analyzeFlags) ask(ctx context.Context) (diag.List, error) {
	port := f.adminPort + f.portOffset
	if port < 1 || port > 65535 {
		return nil, usagef("--proxy-admin-port %d: port %d is not a port", f.adminPort, port)
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/crossgate/diagnostics", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("no instance answers on %s (%w): give the files to analyze, start crossgate serve, or tell its --port-offset", addr, err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("what answers on %s has no findings (%s): give the files to analyze", addr, res.Status)
	}
	var list diag.List
	if err := json.NewDecoder(io.LimitReader(res.Body, maxFile)).Decode(&list); err != nil {
		return nil, fmt.Errorf("the findings of the instance on %s: %w", addr, err)
	}
	return list, nil
}
