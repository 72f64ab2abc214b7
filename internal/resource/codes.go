package resource

// The codes of diagnostics that this package makes. The table with the sentence
// that explains each is in package check.
const (
	// CodeSchema is Istio's SchemaValidationError: the object has not the form
	// or the values that its kind demands.
	CodeSchema = "IST0106"
	// CodeSyntax: the document is not YAML or JSON.
	CodeSyntax = "CG0001"
	// CodeUnknownField: the kind has no such field.
	CodeUnknownField = "CG0002"
	// CodeDuplicateKey: a mapping has a key twice.
	CodeDuplicateKey = "CG0003"
	// CodeDuplicateObject: two objects have one kind, namespace and name.
	CodeDuplicateObject = "CG0004"
	// CodeIdentity: apiVersion, kind or metadata.name is missing or malformed.
	CodeIdentity = "CG0005"
	// CodeLimit: the input is larger, deeper or more than is accepted.
	CodeLimit = "CG0006"
	// CodeControl: a value has a control character, which would be written to
	// the wire as it is.
	CodeControl = "CG0007"
)
