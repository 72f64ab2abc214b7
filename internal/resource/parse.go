package resource

// ParseFile reads one file's bytes. It never fails as a whole: what is wrong
// with one document is said in Diags and leaves the others alone.
func ParseFile(path string, data []byte, o ParseOptions) *File {
	return &File{Path: path}
}
