// Package tool finds the real programs that tests compare with, and says which
// tests had to do without one. It also reads how much a test does.
package tool
