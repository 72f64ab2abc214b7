// Command bench compares crossgate with Envoy, nginx and HAProxy at one job on
// one machine: they answer preflights and pass requests to a backend, with
// virtual hosts, CORS, an access log, X-Forwarded-For and a request id.
// crossgate and Envoy run the same bootstrap. README.md says how it measures
// and how to read what it prints.
//
//	go run ./bench -crossgate bin/crossgate -envoy .tools/envoy/envoy
//	go run ./bench -quick …   only checks that everybody does the job
package main
