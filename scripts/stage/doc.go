// Command stage runs one stage of the build, quietly: a heading, the time it
// took, and its output only when it fails. Every stage has a time budget, which
// ends it and everything it started. With -gotest the command's output is that
// of "go test -json": failures are printed, skips are listed with their reason,
// and tests are counted.
//
//	stage [-budget 2m] [-gotest] NAME COMMAND [ARG...]
//	stage -report
//
// With STAGE_RECORD=FILE the result is appended to that file, and -report prints
// what the file holds: the time of each stage and, as the last line, the sum of
// the tests. With CI=true a skipped test fails its stage: what the CI does not
// run, nobody runs.
package main
