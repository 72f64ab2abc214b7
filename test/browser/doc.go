// Package browser plays the guide to CORS in a real, headless Chromium: pages on
// origins of their own, the API behind a running crossgate over HTTPS. What the
// browser asks is read in the gateway's access log and at the service, not from
// the browser. Chromium is driven over the DevTools protocol and started with the
// flags written here: the defaults of other launchers switch web security off.
package browser
