// Package source brings inputs in: files, directories and standard input, once
// or watched. A source emits the whole of its input each time (level, not edge)
// with what is wrong in it, and leaves to the pipeline which last good version
// of an object to keep. It does not look into objects.
package source
