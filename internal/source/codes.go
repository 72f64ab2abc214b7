package source

const (
	// CodeUnreadable: a path does not exist or cannot be read.
	CodeUnreadable = "CG0008"
	// CodeUnwatched: changes of a path are noticed late.
	CodeUnwatched = "CG0009"
)
