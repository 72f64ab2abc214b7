// Package pipeline is the one way from inputs to data planes: a source emits
// sets of resources; they are checked, translated to a snapshot and published to
// sinks. It keeps the last good version of every object, so that a broken file
// takes nothing down. Every command goes through it.
package pipeline
