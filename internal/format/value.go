package format

import "time"

// Value is something that an operator without arguments stands for.
type Value uint8

// The values, by Envoy's operator names.
const (
	Protocol Value = iota + 1
	ResponseCode
	ResponseCodeDetails
	ResponseFlags
	ResponseFlagsLong
	BytesReceived
	BytesSent
	Duration
	RequestDuration
	ResponseDuration
	UpstreamRequestAttemptCount
	RouteName
	VirtualHostName
	UpstreamCluster
	UpstreamHost
	UpstreamLocalAddress
	UpstreamTransportFailureReason
	ConnectionTerminationDetails
	DownstreamRemoteAddress
	DownstreamRemoteAddressWithoutPort
	DownstreamRemotePort
	DownstreamDirectRemoteAddress
	DownstreamDirectRemoteAddressWithoutPort
	DownstreamLocalAddress
	DownstreamLocalAddressWithoutPort
	DownstreamLocalPort
	RequestedServerName
	ConnectionID
	StreamID
	Hostname
	GRPCStatus
	VirtualClusterName
	DownstreamTLSVersion
	DownstreamTLSCipher
)

// operators are the names of the values. Those that are numbers stay numbers in
// JSON.
var operators = map[string]struct {
	value   Value
	numeric bool
}{
	"PROTOCOL":                       {Protocol, false},
	"RESPONSE_CODE":                  {ResponseCode, true},
	"RESPONSE_CODE_DETAILS":          {ResponseCodeDetails, false},
	"RESPONSE_FLAGS":                 {ResponseFlags, false},
	"RESPONSE_FLAGS_LONG":            {ResponseFlagsLong, false},
	"BYTES_RECEIVED":                 {BytesReceived, true},
	"BYTES_SENT":                     {BytesSent, true},
	"DURATION":                       {Duration, true},
	"REQUEST_DURATION":               {RequestDuration, true},
	"RESPONSE_DURATION":              {ResponseDuration, true},
	"UPSTREAM_REQUEST_ATTEMPT_COUNT": {UpstreamRequestAttemptCount, true},
	"ROUTE_NAME":                     {RouteName, false},
	"VIRTUAL_HOST_NAME":              {VirtualHostName, false},
	"UPSTREAM_CLUSTER":               {UpstreamCluster, false},
	"UPSTREAM_CLUSTER_RAW":           {UpstreamCluster, false},
	"UPSTREAM_HOST":                  {UpstreamHost, false},
	"UPSTREAM_REMOTE_ADDRESS":        {UpstreamHost, false},
	"UPSTREAM_LOCAL_ADDRESS":         {UpstreamLocalAddress, false},

	"UPSTREAM_TRANSPORT_FAILURE_REASON":             {UpstreamTransportFailureReason, false},
	"CONNECTION_TERMINATION_DETAILS":                {ConnectionTerminationDetails, false},
	"DOWNSTREAM_REMOTE_ADDRESS":                     {DownstreamRemoteAddress, false},
	"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT":        {DownstreamRemoteAddressWithoutPort, false},
	"DOWNSTREAM_REMOTE_PORT":                        {DownstreamRemotePort, true},
	"DOWNSTREAM_DIRECT_REMOTE_ADDRESS":              {DownstreamDirectRemoteAddress, false},
	"DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT": {DownstreamDirectRemoteAddressWithoutPort, false},
	"DOWNSTREAM_LOCAL_ADDRESS":                      {DownstreamLocalAddress, false},
	"DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT":         {DownstreamLocalAddressWithoutPort, false},
	"DOWNSTREAM_LOCAL_PORT":                         {DownstreamLocalPort, true},
	"REQUESTED_SERVER_NAME":                         {RequestedServerName, false},
	"CONNECTION_ID":                                 {ConnectionID, true},
	"STREAM_ID":                                     {StreamID, false},
	"HOSTNAME":                                      {Hostname, false},
	"GRPC_STATUS":                                   {GRPCStatus, false},
	"VIRTUAL_CLUSTER_NAME":                          {VirtualClusterName, false},
	"DOWNSTREAM_TLS_VERSION":                        {DownstreamTLSVersion, false},
	"DOWNSTREAM_TLS_CIPHER":                         {DownstreamTLSCipher, false},
}

// Source gives the values of one request.
type Source interface {
	// RequestHeader and ResponseHeader return the value of a field by its
	// lower-case name; requests have the pseudo headers :method, :path,
	// :authority and :scheme too.
	RequestHeader(name string) ([]byte, bool)
	ResponseHeader(name string) ([]byte, bool)
	// StartTime is when the request began.
	StartTime() time.Time
	// AppendValue appends a value; false, with dst as it was, means that there
	// is none.
	AppendValue(dst []byte, v Value) ([]byte, bool)
}
