package http1

// Error is a refused message. Values are made once, never per request, and can
// be compared by address.
type Error struct {
	// Status is the answer's status code. The connection is closed after it.
	Status int
	// Details are Envoy's response code details.
	Details string
	// Message says what is wrong, for people.
	Message string
}

// Error returns the details and the message.
func (e *Error) Error() string { return e.Details + ": " + e.Message }
