package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/proxyconfig"
)

// instanceAt is the instance on this machine whose admin interface has the port
// before the offset.
func instanceAt(port, offset int) (proxyconfig.Instance, error) {
	if at := port + offset; at < 1 || at > 65535 {
		return proxyconfig.Instance{}, usagef("--proxy-admin-port %d: port %d is not a port", port, at)
	}
	return proxyconfig.Instance{Port: port + offset}, nil
}

// ask returns the findings of the instance that runs on this machine.
func (f *analyzeFlags) ask(ctx context.Context) (diag.List, error) {
	in, err := instanceAt(f.adminPort, f.portOffset)
	if err != nil {
		return nil, err
	}
	data, err := in.Diagnostics(ctx)
	var none *proxyconfig.NoInstanceError
	switch {
	case errors.As(err, &none):
		return nil, fmt.Errorf("no instance answers on %s (%w): give the files to analyze, start crossgate serve, or tell its --port-offset", none.Address, none.Err)
	case err != nil:
		return nil, err
	case data == nil:
		return nil, fmt.Errorf("what answers on port %d has no findings: give the files to analyze", in.Port)
	}
	var list diag.List
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("the findings of the instance on port %d: %w", in.Port, err)
	}
	return list, nil
}
