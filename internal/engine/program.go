package engine

import (
	"crypto/tls"
	"log/slog"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"

	"github.com/crossgate/crossgate/internal/diag"
	"github.com/crossgate/crossgate/internal/http1"
	"github.com/crossgate/crossgate/internal/http2"
	"github.com/crossgate/crossgate/internal/stats"
	"github.com/crossgate/crossgate/internal/upstream"
)

// Program is a compiled snapshot: everything a request needs, and nothing that
// must be interpreted. It is immutable and shared by all connections.
type Program struct {
	version   string
	clusters  *upstream.Set
	sockets   map[string]*clusterSockets // by cluster
	pairs     map[pairKey]tls.Certificate
	listeners []*listenerProgram
	counted   *stats.Generation

	// What the next program may take over, and what that depends on.
	tables  map[string]*routeTable // by name, but for those that listeners carry
	slots   map[string]int
	runtime runtime

	altNames map[string]string // of clusters in statistics and logs, by their names

	http2At    map[string]diag.Pos // where clusters are said to speak HTTP/2
	balancedAt map[string]diag.Pos // where clusters are said to choose by destination
	said       sync.Map            // the clusters that were named, and for what
}

// notHTTP2 tells an operator, once for each cluster of a program, why its requests
// fail: the service does not speak what the configuration says.
func (p *Program) notHTTP2(log *slog.Logger, cluster string) {
	if _, said := p.said.LoadOrStore(cluster, true); said {
		return
	}
	log.Warn("the service does not speak HTTP/2, which its configuration asks for: requests to it fail with 502",
		"cluster", cluster, "position", p.http2At[cluster].String())
}

// noDestination tells an operator, once for each cluster of a program, why its
// requests have nowhere to go. Envoy says so for each request.
func (p *Program) noDestination(log *slog.Logger, cluster string) {
	if _, said := p.said.LoadOrStore("destination "+cluster, true); !said {
		log.Warn("requests to a cluster go where their clients meant to, which is not known of clients that connect to the gateway itself: they fail with 503",
			"cluster", cluster, "position", p.balancedAt[cluster].String())
	}
}

// lostCopy tells an operator, once for each cluster of a program, that a mirror does
// not get all the requests that it should.
func (p *Program) lostCopy(log *slog.Logger, cluster, why string) {
	if _, said := p.said.LoadOrStore("mirror "+cluster, true); !said {
		log.Warn("requests are not mirrored to a cluster: "+why, "cluster", cluster)
	}
}

// Version returns the version of the snapshot that the program was made from.
func (p *Program) Version() string { return p.version }

// listenerProgram is one listener: an address and the filter chains behind it.
type listenerProgram struct {
	name   string
	pos    diag.Pos // where the input asks for it
	host   string
	port   uint32
	prog   *Program
	chains []*filterChain
	stats  *listenerStats
	tls    *listenerTLSStats
}

// filterChain is what a listener does with connections of certain server names.
type filterChain struct {
	// serverNames are lower-case; "*.x" stands for all names below x. None
	// means all connections, also those without a server name.
	serverNames []string
	tls         *tls.Config
	tlsTimeout  time.Duration
	manager     *manager
}

// manager is a compiled HttpConnectionManager.
type manager struct {
	// listener and chain are the names of where it stands.
	listener, chain string
	metadata        *corev3.Metadata // of the listener
	statPrefix      string
	routes          *routeTable
	filters         []filter
	logs            []*accessLog
	protocol        protocol
	codec           http1.Options
	http2           http2.Options

	serverName        []byte
	serverHeader      serverHeader
	via               []byte
	useRemoteAddress  bool
	trustedHops       uint32
	skipXFFAppend     bool
	generateRequestID bool
	preserveRequestID bool
	alwaysRequestID   bool
	proxy100          bool
	suppressEnvoy     bool
	normalizePath     bool
	mergeSlashes      bool
	escapedSlashes    escapedSlashes
	stripAnyPort      bool
	stripTrailingDot  bool
	websocket         bool
	egressTracing     bool
	defaultHost10     []byte
	certDetails       *certDetails
	localReplies      *localReplies // nil: as they are
	shadow            *manager      // of copies for mirrors
	trailers          bool          // pass in HTTP/1.1
	properCase        bool          // of names in HTTP/1.1

	idleTimeout       time.Duration
	streamIdleTimeout time.Duration
	headersTimeout    time.Duration // of a request's head; 0: none
	requestTimeout    time.Duration // of a whole request; 0: none

	metrics *managerMetrics
	stats   *managerStats
	rqStats *listenerRqStats
}

// serverHeader is HttpConnectionManager.server_header_transformation.
type serverHeader uint8

const (
	serverOverwrite serverHeader = iota
	serverAppendIfAbsent
	serverPassThrough
)

// escapedSlashes is HttpConnectionManager.path_with_escaped_slashes_action.
type escapedSlashes uint8

const (
	escapedKeep escapedSlashes = iota
	escapedReject
	escapedRedirect
	escapedForward
)

// routeTable is a compiled RouteConfiguration.
type routeTable struct {
	name      string
	hosts     hostIndex
	maxDirect int // bytes

	source *routev3.RouteConfiguration // what it was made of
	level  level
	sound  bool // nothing of it was refused
}

// virtualHost is a compiled VirtualHost.
type virtualHost struct {
	name               string
	routes             *routeList
	others             *routeList // those that are not for OPTIONS alone
	requireTLS         bool
	attemptCount       bool // x-envoy-attempt-count towards the service
	attemptCountAnswer bool // and towards the client
	metadata           *corev3.Metadata

	source   *routev3.VirtualHost // what it was made of
	level    level
	sound    bool       // none of its routes was refused or has to be made again
	verdicts []*verdict // one of each statistics
}

// route is one compiled route. Exactly one of targets, redirect and direct is
// set.
type route struct {
	name  string
	match routeMatch
	// operation is what decorator.operation propagates.
	operation []byte
	targets   []*target
	total     uint32 // of the targets' weights
	redirect  *redirect
	direct    *directResponse
	mirrors   []*mirror

	timeout       time.Duration // 0: none
	idleTimeout   time.Duration // -1: the manager's
	retry         *retryPolicy
	internal      *internalRedirect
	rewrite       pathRewrite
	host          hostRewrite
	clusterHeader string
	notFound      int // status when the cluster does not exist
	websocket     int8

	// settings and response stand for redirects and direct responses, which
	// have no target.
	settings []any
	response []*mutations

	verdict  *verdict // nil: none
	metadata *corev3.Metadata

	// again tells that the next program cannot take it over: it was refused, or depends
	// on a file.
	again bool
}

// target is one of the clusters of a route with what is configured for it.
type target struct {
	cluster *upstream.Cluster // nil: no such cluster
	name    string
	altName string // what it is called in statistics and logs
	weight  uint32
	host    []byte // host_rewrite_literal of a weighted cluster
	own     int    // how many of request come before that
	// settings holds what the filters need for requests to this target, by
	// the filter's slot: the configuration of all levels, resolved.
	settings []any

	// request and response are the header mutations of all levels in the
	// order in which they apply.
	request, response []*mutations
	metrics           *requestMetrics
}
