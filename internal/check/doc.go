// Package check holds the findings that need a whole set of objects: references
// between them, kinds that are not enforced, fields that are not built. Each
// check is a value with its own file and testdata folder; all.go lists the suite.
// What one object alone shows to be wrong is found by package resource.
package check
