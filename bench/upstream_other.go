//go:build !linux

package main

import "errors"

func serveUpstream(string) error { return errors.New("the benchmark needs Linux") }
