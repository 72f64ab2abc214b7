package tool

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// Number reads how much a test does from an environment variable.
func Number(tb testing.TB, variable string, otherwise int) int {
	tb.Helper()
	s := os.Getenv(variable)
	if s == "" {
		return otherwise
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		tb.Fatalf("%s: %v", variable, err)
	}
	return n
}

// Seed reads the seed of a test from an environment variable; "random" chooses one.
func Seed(tb testing.TB, variable string, otherwise uint64) uint64 {
	tb.Helper()
	s := os.Getenv(variable)
	switch s {
	case "":
		return otherwise
	case "random":
		return rand.Uint64()
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		tb.Fatalf("%s: %v", variable, err)
	}
	return n
}
