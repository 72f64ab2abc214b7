package http1

// ReasonPhrase returns Envoy's words for the status, "Unknown" if it has none
// (418 and 451 among them). Each was read from the status line that Envoy wrote
// for an upstream's answer with that status, but for 100, 102 and 103, which it
// does not pass on; those are the registered words.
func ReasonPhrase(status int) string {
	if i := status/100 - 1; i >= 0 && i < len(reasons) {
		if j := status % 100; j < len(reasons[i]) && reasons[i][j] != "" {
			return reasons[i][j]
		}
	}
	if status == 599 {
		return "Last Unassigned Server Error Code"
	}
	return "Unknown"
}

var reasons = [5][]string{
	{0: "Continue", 1: "Switching Protocols", 2: "Processing", 3: "Early Hints"},
	{
		0: "OK", 1: "Created", 2: "Accepted", 3: "Non-Authoritative Information", 4: "No Content",
		5: "Reset Content", 6: "Partial Content", 7: "Multi-Status", 8: "Already Reported", 26: "IM Used",
	},
	{
		0: "Multiple Choices", 1: "Moved Permanently", 2: "Found", 3: "See Other", 4: "Not Modified",
		5: "Use Proxy", 7: "Temporary Redirect", 8: "Permanent Redirect",
	},
	{
		0: "Bad Request", 1: "Unauthorized", 2: "Payment Required", 3: "Forbidden", 4: "Not Found",
		5: "Method Not Allowed", 6: "Not Acceptable", 7: "Proxy Authentication Required",
		8: "Request Timeout", 9: "Conflict", 10: "Gone", 11: "Length Required",
		12: "Precondition Failed", 13: "Payload Too Large", 14: "URI Too Long",
		15: "Unsupported Media Type", 16: "Range Not Satisfiable", 17: "Expectation Failed",
		21: "Misdirected Request", 22: "Unprocessable Entity", 23: "Locked", 24: "Failed Dependency",
		25: "Too Early", 26: "Upgrade Required", 28: "Precondition Required", 29: "Too Many Requests",
		31: "Request Header Fields Too Large",
	},
	{
		0: "Internal Server Error", 1: "Not Implemented", 2: "Bad Gateway", 3: "Service Unavailable",
		4: "Gateway Timeout", 5: "HTTP Version Not Supported", 6: "Variant Also Negotiates",
		7: "Insufficient Storage", 8: "Loop Detected", 10: "Not Extended",
		11: "Network Authentication Required",
	},
}
