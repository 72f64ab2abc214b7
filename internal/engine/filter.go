package engine

// filter is one HTTP filter of a manager. Filters have no state of their own
// per request: what they need to remember is in the stream.
type filter interface {
	// request sees the request on its way to the service, after the route was
	// chosen. True means that the filter has answered: the reply is in the
	// stream, and no later filter sees the request.
	request(s *stream) bool
	// response sees the answer on its way to the client.
	response(s *stream)
}

// pauser is a filter that may wait before it goes on.
type pauser interface {
	mayPause(s *stream) bool
}
