// Package policy reads the CORS policies of VirtualServices as hosts of the model in
// internal/cors, and makes calls of pages to them. It reads the YAML, not the xDS
// that crossgate makes of it: what the model then says of a call is what the author
// of the document was promised.
package policy
