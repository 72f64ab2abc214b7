// Package square runs the same requests through the engine and through a real
// Envoy, both started from one bootstrap, and compares everything that can be
// seen: the status, the header lines in their order, the body, and what the
// upstream received. It is the project's main test of correctness.
//
// # Scripts
//
// A script is a txtar file under test/scripts. Its comment says why it exists.
// The file "requests" holds the requests; "bootstrap.yaml" is an Envoy
// bootstrap; without one, all other files are resources that crossgate
// translates to a bootstrap. $upstream in them stands for the port of a raw
// upstream, $upstream:NAME for that of another one with this name, $closed for a
// port that nobody listens on.
//
//	each request:
//	Host: api.example.com
//
//	# A comment says what the request shows.
//	OPTIONS /api/users
//	Origin: https://app.example.com
//	Access-Control-Request-Method: PUT
//	=> 200
//	access-control-allow-origin: https://app.example.com
//	content-length: 0
//	upstream: not called
//
// Blocks are separated by empty lines. The lines before the arrow are the
// request, sent as written with the header lines of "each request" first (those
// that it does not write itself), and directives, whose names no header of a
// test needs:
//
//	body: "text"                  quoted as in Go; a content-length is added unless the request tells the length itself
//	raw: "GET / HTTP/1.0\r\n\r\n" the exact bytes, instead of a request line and headers; @ID is the case's id
//	listener: NAME                the listener to send it to; without it, the first one
//	upstream: status 201
//	upstream: header NAME: VALUE
//	upstream: body "text"
//	upstream: chunked
//	upstream: trailer NAME: VALUE
//	upstream: sleep 100ms
//	upstream: close before        or: middle
//	upstream: raw "HTTP/1.1 200 OK\r\n\r\n"
//	upstream: fail 2              closes the first two; "fail 2 503" answers them so
//
// Resources run twice, with the profiles istio and hardened. Where the second answers
// in another way, its answer follows the first after the line "hardened:".
//
// The lines from the arrow on are the complete answer, as Answer.Lines prints it.
// -update writes them, from the real Envoy only.
//
// # Generated requests
//
// TestGeneratedTables and TestGeneratedMutations do the same as the test below with
// virtual hosts of Envoy's API, below connection managers with different options.
//
// TestGeneratedMalformed sends requests that are none, or just one; what may differ
// on purpose, with the rows of docs/differences.md, is in deliberate.
//
// TestGenerated makes random policies at all levels and random requests to them.
// When two answers differ it leaves out parts of the policy and of the request
// as long as they still differ, and prints what remains as a script, ready to be
// kept under test/scripts.
//
// # Smuggling
//
// TestSmuggling and TestSmugglingHTTP2 send requests that are framed in two ways at
// once (CL.TE, TE.CL, TE.TE, CL.0, folded and bare lines, chunk extensions, HTTP/2)
// to services that read a strict or a lenient dialect of HTTP/1.1, and compare what
// these have read with what the engine says to have sent. TestAnswersAreNotMixed
// does it for answers.
//
// # Environment
//
//	SQUARE_CORNERS   the corners to run, first the one that is right: envoy,engine
//	SQUARE_N         generated requests: 2000
//	SQUARE_SEED      their seed: 1; "random" chooses one
//	CROSSGATE_BIN    the crossgate binary; without it, one is built
//	CROSSGATE_ENVOY  the Envoy binary; without it, the one in .tools
package square
