package check

// Suite returns every check.
func Suite() []*Check {
	return []*Check{
		unenforcedKind(),
		unenforcedField(),
		unbuiltField(),
		noEffect(),
		reference(),
	}
}
