// Package tool finds the real programs that tests compare with, and says which
// tests had to do without one.
package tool
