package square

// mainListener begins a bootstrap with one listener, whose manager a test goes on
// with: the route configuration follows, and clusters.
const mainListener = `
static_resources:
  listeners:
  - name: main
    address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: s
          http_filters: [{name: envoy.filters.http.router, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]
`

// corners starts the data planes on a bootstrap; they end with the test.
func (b *bench) corners(bootstrap string) []*Corner {
	b.t.Helper()
	corners, err := start(b.planes, b.t.TempDir(), []byte(bootstrap), b.desk)
	if err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		if err := stop(corners); err != nil {
			b.t.Error(err)
		}
	})
	return corners
}
