// Package cli is the command line: it reads flags, calls the packages that do
// the work, and prints. Nothing else in the project knows flags, colours, exit
// codes or the difference between standard output and standard error.
package cli
