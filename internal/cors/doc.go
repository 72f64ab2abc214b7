// Package cors knows the CORS protocol: what a policy allows, how much of it a
// gateway enforces, and what a gateway of the profile hardened answers. It is a
// model, pure and without a clock or a network: tests compare the data planes with
// it. It is not on the way of requests.
package cors
