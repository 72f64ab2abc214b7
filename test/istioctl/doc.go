// Package istioctl compares `crossgate proxy-config` with the real istioctl: on
// our dumps, on a real Envoy's and on generated ones, both must print the same.
// It also shows that istioctl reads what our admin interface serves.
package istioctl
