// Package vectors reads cases of CORS that web-platform-tests have (a call of fetch, the answers to it, what has to come of
// it), for the simulator in internal/fetch and for a real browser: both play the same cases over the same answers.
package vectors
