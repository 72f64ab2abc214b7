// Package devkit is what a person needs beside the gateway to try it on a
// laptop: a backend that answers with what it received, and a local certificate
// authority that makes certificates for the hosts of a Gateway. Nothing in it
// takes part in serving production traffic.
package devkit
