package check

// Suite returns every check.
func Suite() []*Check {
	return []*Check{
		unenforcedKind(),
		unenforcedField(),
		unbuiltField(),
		noEffect(),
		reference(),
		gatewayHost(),
		catchAll(),
		meshHost(),
		unreachableRule(),
		ineffectiveMatch(),
		duplicateCertificate(),
		unknownHost(),
		serviceAddress(),
		serverVerification(),
		portServerVerification(),
		relativeOperation(),
		replaceOperation(),
		addOperation(),
		removeOperation(),
		versionedOperation(),
		unknownAnnotation(),
		misplacedAnnotation(),
		deprecatedAnnotation(),
		deprecated(),
		schemaWarning(),
	}
}
