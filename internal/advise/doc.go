// Package advise is what the tools around CORS do, without flags and printing.
//
// It reads what people have at hand when a browser blocks a request: a call of fetch() from a page's source or from the
// developer tools ([ReadFetch]), a curl line ([ReadCurl]), a HAR file ([ReadHAR]). All become an [Ask]. [Explain] plays it: the browser is
// the simulator of package fetch, the gateway an engine of its own with one service behind it, which tells of every request
// what it decided.
package advise
