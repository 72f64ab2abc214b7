// Package examples runs the examples as their READMEs tell people to, and the
// README of the project: a block ```sh with "crossgate serve" starts a gateway,
// and in a block ```console every command has to print what stands below it. The
// same commands are run against a real Envoy that was given our bootstrap. What
// is only there to be read stands in blocks of other names.
package examples
