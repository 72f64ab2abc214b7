// Package gate builds the crossgate binary and runs it for tests, as a user
// would: tests see its ports, its output and its memory, and nothing else.
package gate
