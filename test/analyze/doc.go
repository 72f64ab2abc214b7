// Package analyze compares what crossgate finds in configuration with what the real
// istioctl analyze finds: the same codes on the same objects, but for differences
// that are listed with their reasons.
package analyze
