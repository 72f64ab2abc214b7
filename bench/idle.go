package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// idleConnections is how many connections are left idle; the memory of the first ones,
// idleBefore, counts as the proxy's own.
const (
	idleConnections = 2000
	idleBefore      = 64
)

// idle measures what connections cost that have asked once and say nothing more, in the
// clear and with TLS. The contestants start anew in between.
func (b *bench) idle(ctx context.Context) error {
	each := map[string][2]float64{}
	for i, secured := range []bool{false, true} {
		if err := b.start(ctx); err != nil {
			return err
		}
		for _, c := range b.contestants {
			bytes, err := c.idle(ctx, secured)
			if err != nil {
				return fmt.Errorf("%s: %w", c.name, err)
			}
			row := each[c.name]
			row[i] = bytes
			each[c.name] = row
		}
		if err := b.stopContestants(); err != nil {
			return err
		}
	}
	fmt.Printf("\nidle: memory of a connection that has asked once (PSS, %d connections)\n%-10s %12s %12s\n", idleConnections, "", "plain", "TLS")
	for _, c := range contestants() {
		if row, ok := each[c.name]; ok {
			fmt.Printf("%-10s %8.1f KiB %8.1f KiB\n", c.name, row[0]/1024, row[1]/1024)
		}
	}
	return nil
}

// idle returns the bytes that the contestant holds for a connection.
func (c *contestant) idle(ctx context.Context, secured bool) (each float64, err error) {
	port := c.http
	if secured {
		port = c.https
	}
	if err := c.proc.waitFor(ctx, port); err != nil {
		return 0, err
	}
	var open []net.Conn
	defer func() {
		for _, conn := range open {
			_ = conn.Close()
		}
	}()
	before := 0
	for n := range idleBefore + idleConnections {
		if n == idleBefore {
			if before, err = c.settled(ctx); err != nil {
				return 0, err
			}
		}
		conn, err := askOnce(port, secured)
		if err != nil {
			return 0, err
		}
		open = append(open, conn)
	}
	after, err := c.settled(ctx)
	return float64(after-before) / idleConnections, err
}

// askOnce opens a connection, sends a request and reads its answer.
func askOnce(port int, secured bool) (net.Conn, error) {
	conn, err := net.DialTimeout("tcp", "127.0.0.1:"+strconv.Itoa(port), 5*time.Second)
	if err != nil {
		return nil, err
	}
	if secured {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: host})
	}
	req := "GET /api/x HTTP/1.1\r\nHost: " + host + "\r\nOrigin: https://app.example.com\r\nUser-Agent: " + browser + "\r\n\r\n"
	if _, err := io.WriteString(conn, req); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
		return nil, errors.Join(fmt.Errorf("answered %s", resp.Status), err, conn.Close())
	}
	return conn, nil
}

// settled is the memory of the contestant's processes, a moment after the last request.
func (c *contestant) settled(ctx context.Context) (bytes int, err error) {
	select {
	case <-ctx.Done():
		return 0, ctx.Err()
	case <-time.After(time.Second):
	}
	pids, _, err := c.proc.tree()
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return 0, err
		}
		for line := range strings.SplitSeq(string(data), "\n") {
			if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
				kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
				if err != nil {
					return 0, err
				}
				bytes += kib << 10
			}
		}
	}
	return bytes, nil
}
