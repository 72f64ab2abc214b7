// Package diag holds what every layer reports to the user: positions in inputs
// and diagnostics at them, with printers for people and machines. It is the
// floor of the project: it imports nothing of ours.
package diag
