// Package fetch is the browser's side of CORS: what is asked, and what is made of the answers.
//
// [Browser] plays the Fetch standard (https://fetch.spec.whatwg.org, text of July 2026) for one call of fetch():
// which requests go out, whether a preflight comes first, which answer the page may read, and why not. Each step that it
// takes names the algorithm it comes from. The standard and the browsers of today differ in a few places, so a Browser has a
// [Profile]; for a refusal it also has the code and the console text of Chrome.
//
// Chrome's codes and lines are those recorded on Chrome 147; the Chromium 156 of the tests has no others.
//
// It is pure: the network is a function. It is the oracle of tests and the voice of explain, and it is never on the way of
// a request that crossgate serves.
package fetch
