// Package authority issues certificates for tests, as an authority that a test
// makes for itself: chains, times and names are the test's, keys are new.
package authority
