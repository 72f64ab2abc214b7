// Package layers holds the tests that keep the shape of the code: which package
// may import which, what the data plane must not import, and how big a file and
// a function may become. ARCHITECTURE.md shows the same list of layers, and a
// test compares the two. Only the standard library is used, and nothing of ours.
package layers
