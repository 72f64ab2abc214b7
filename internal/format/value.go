package format

import (
	"time"

	"google.golang.org/protobuf/types/known/structpb"
)

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
	WireBytesReceived
	WireBytesSent
	UpstreamWireBytesReceived
	UpstreamWireBytesSent
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
	DownstreamDirectLocalAddress
	DownstreamDirectRemotePort
	UpstreamClusterRaw
	UpstreamRemoteAddress
	UpstreamRemoteAddressWithoutPort
	UpstreamLocalAddressWithoutPort
	UpstreamLocalPort
	UpstreamHostName
	UpstreamHostNameWithoutPort
	UpstreamRemotePort
	UpstreamProtocol
	RequestTxDuration
	ResponseTxDuration
	GRPCStatusNumber
	GRPCStatusSnake
	ListenerName
	FilterChainName
	UniqueID
	QueryParams
	LocalReplyBody
	UpstreamTLSVersion
	UpstreamTLSCipher
	UpstreamServerName
	UpstreamPeerSubject
	UpstreamPeerIssuer
	UpstreamPeerCert
	UpstreamPeerURIs
	UpstreamPeerDNSNames
	UpstreamPeerIPs
	UpstreamLocalURIs
	UpstreamLocalDNSNames
	DownstreamPeerSubject
	DownstreamPeerIssuer
	DownstreamPeerURIs
	DownstreamPeerDNSNames
	DownstreamPeerIPs
	DownstreamPeerEmails
	DownstreamPeerSerial
	DownstreamPeerSHA1
	DownstreamPeerSHA256
	DownstreamPeerCert
	DownstreamPeerChainSerials
	DownstreamPeerChainSHA1
	DownstreamPeerChainSHA256
	DownstreamPeerOtherNames
	DownstreamLocalSubject
	DownstreamLocalURIs
	DownstreamLocalDNSNames
	DownstreamLocalIPs
	DownstreamLocalEmails
	DownstreamLocalOtherNames
	DownstreamPeerIssuerSHA256
	DownstreamPeerIssuerSerial
	DownstreamTLSGroup
	UpstreamTLSGroup
	UpstreamLocalIPs
	RequestHeadersBytes
	ResponseHeadersBytes
	ResponseTrailersBytes
	HeaderBytesReceived
	HeaderBytesSent
	PlainHeaderBytesReceived
	PlainHeaderBytesSent
	UpstreamHeaderBytesReceived
	UpstreamHeaderBytesSent
	UpstreamPlainHeaderBytesReceived
	UpstreamPlainHeaderBytesSent
	UpstreamConnectionID
	UpstreamConnectionsAttempted
	UpstreamHostsAttempted
	UpstreamHostsAttemptedWithoutPort
	UpstreamHostNamesAttempted
	UpstreamHostNamesAttemptedWithoutPort
	UpstreamEndpointID
	UpstreamCloseType
	PoolReadyDuration
	HandshakeDuration
	// Never is what this proxy never has.
	Never
	// Zero is 0, and Empty the empty text, for what is not measured here and
	// what Envoy has no more of either without an extension.
	Zero
	Empty
	// LogType says for which occasion a log's line is written.
	LogType
	// Normal is the word for how requests end here.
	Normal
)

// constant returns the text of a value that is the same for every request.
func (v Value) constant() (string, bool) {
	switch v {
	case Never, Empty:
		return "", true
	case Zero:
		return "0", true
	case Normal:
		return "Normal", true
	}
	return "", false
}

// operator is what an operator without a value of its own means.
type operator struct {
	value Value
	// numeric values stay numbers in JSON.
	numeric bool
	// argument says what may stand in brackets: nothing, or anything, with the
	// meaning of a prefix's length (cidr) or none.
	argument argument
}

type argument uint8

const (
	noArgument argument = iota
	anyArgument
	cidrArgument
)

// operators are those of Envoy 1.40 that stand for a value, by their names.
var operators = map[string]operator{
	"ACCESS_LOG_TYPE":                {value: LogType},
	"PROTOCOL":                       {value: Protocol},
	"RESPONSE_CODE":                  {value: ResponseCode, numeric: true},
	"RESPONSE_CODE_DETAILS":          {value: ResponseCodeDetails, argument: anyArgument},
	"RESPONSE_FLAGS":                 {value: ResponseFlags},
	"RESPONSE_FLAGS_LONG":            {value: ResponseFlagsLong},
	"BYTES_RECEIVED":                 {value: BytesReceived, numeric: true},
	"BYTES_SENT":                     {value: BytesSent, numeric: true},
	"DOWNSTREAM_WIRE_BYTES_RECEIVED": {value: WireBytesReceived, numeric: true},
	"DOWNSTREAM_WIRE_BYTES_SENT":     {value: WireBytesSent, numeric: true},
	"UPSTREAM_WIRE_BYTES_RECEIVED":   {value: UpstreamWireBytesReceived, numeric: true},
	"UPSTREAM_WIRE_BYTES_SENT":       {value: UpstreamWireBytesSent, numeric: true},
	"DURATION":                       {value: Duration, numeric: true},
	"REQUEST_DURATION":               {value: RequestDuration, numeric: true},
	"REQUEST_TX_DURATION":            {value: RequestTxDuration, numeric: true},
	"RESPONSE_DURATION":              {value: ResponseDuration, numeric: true},
	"RESPONSE_TX_DURATION":           {value: ResponseTxDuration, numeric: true},
	"ROUNDTRIP_DURATION":             {value: Never},
	"UPSTREAM_REQUEST_ATTEMPT_COUNT": {value: UpstreamRequestAttemptCount, numeric: true},
	"ROUTE_NAME":                     {value: RouteName},
	"LISTENER_NAME":                  {value: ListenerName},
	"FILTER_CHAIN_NAME":              {value: FilterChainName},
	"UPSTREAM_CLUSTER":               {value: UpstreamCluster},
	"UPSTREAM_CLUSTER_RAW":           {value: UpstreamClusterRaw},
	"UPSTREAM_PROTOCOL":              {value: UpstreamProtocol},
	"UPSTREAM_HOST":                  {value: UpstreamHost},
	"UPSTREAM_HOST_NAME":             {value: UpstreamHostName},

	"UPSTREAM_HOST_NAME_WITHOUT_PORT":               {value: UpstreamHostNameWithoutPort},
	"UPSTREAM_REMOTE_ADDRESS":                       {value: UpstreamRemoteAddress},
	"UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT":          {value: UpstreamRemoteAddressWithoutPort, argument: cidrArgument},
	"UPSTREAM_REMOTE_PORT":                          {value: UpstreamRemotePort, numeric: true},
	"UPSTREAM_LOCAL_ADDRESS":                        {value: UpstreamLocalAddress},
	"UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT":           {value: UpstreamLocalAddressWithoutPort, argument: cidrArgument},
	"UPSTREAM_LOCAL_PORT":                           {value: UpstreamLocalPort, numeric: true},
	"UPSTREAM_TRANSPORT_FAILURE_REASON":             {value: UpstreamTransportFailureReason},
	"CONNECTION_TERMINATION_DETAILS":                {value: ConnectionTerminationDetails},
	"DOWNSTREAM_REMOTE_ADDRESS":                     {value: DownstreamRemoteAddress},
	"DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT":        {value: DownstreamRemoteAddressWithoutPort, argument: cidrArgument},
	"DOWNSTREAM_REMOTE_PORT":                        {value: DownstreamRemotePort, numeric: true},
	"DOWNSTREAM_DIRECT_REMOTE_ADDRESS":              {value: DownstreamDirectRemoteAddress},
	"DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT": {value: DownstreamDirectRemoteAddressWithoutPort, argument: cidrArgument},
	"DOWNSTREAM_DIRECT_REMOTE_PORT":                 {value: DownstreamDirectRemotePort, numeric: true},
	"DOWNSTREAM_LOCAL_ADDRESS":                      {value: DownstreamLocalAddress},
	"DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT":         {value: DownstreamLocalAddressWithoutPort, argument: cidrArgument},
	"DOWNSTREAM_LOCAL_PORT":                         {value: DownstreamLocalPort, numeric: true},
	"DOWNSTREAM_DIRECT_LOCAL_ADDRESS":               {value: DownstreamDirectLocalAddress},
	"DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT":  {value: DownstreamLocalAddressWithoutPort, argument: cidrArgument},
	"DOWNSTREAM_DIRECT_LOCAL_PORT":                  {value: DownstreamLocalPort, numeric: true},
	"DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID":          {value: Empty},
	"DOWNSTREAM_DIRECT_LOCAL_ADDRESS_ENDPOINT_ID":   {value: Empty},
	"DOWNSTREAM_DETECTED_CLOSE_TYPE":                {value: Normal},
	"DOWNSTREAM_LOCAL_CLOSE_REASON":                 {value: Never},
	"DOWNSTREAM_TRANSPORT_FAILURE_REASON":           {value: Never},
	"DOWNSTREAM_CX_RTT":                             {value: Zero, numeric: true},
	"BYTES_RETRANSMITTED":                           {value: Zero, numeric: true},
	"CUSTOM_FLAGS":                                  {value: Empty},
	"LOCAL_REPLY_BODY":                              {value: LocalReplyBody},
	"REQUESTED_SERVER_NAME":                         {value: RequestedServerName},
	"CONNECTION_ID":                                 {value: ConnectionID, numeric: true},
	"STREAM_ID":                                     {value: StreamID},
	"UNIQUE_ID":                                     {value: UniqueID},
	"HOSTNAME":                                      {value: Hostname},
	"GRPC_STATUS_NUMBER":                            {value: GRPCStatusNumber, numeric: true},
	"TRACE_ID":                                      {value: Never},
	"SPAN_ID":                                       {value: Never},
	"VIRTUAL_CLUSTER_NAME":                          {value: VirtualClusterName},
	"DOWNSTREAM_TLS_VERSION":                        {value: DownstreamTLSVersion},
	"DOWNSTREAM_TLS_CIPHER":                         {value: DownstreamTLSCipher},
	"UPSTREAM_TLS_VERSION":                          {value: UpstreamTLSVersion},
	"UPSTREAM_TLS_CIPHER":                           {value: UpstreamTLSCipher},
	"UPSTREAM_SERVER_NAME":                          {value: UpstreamServerName},
	"UPSTREAM_PEER_SUBJECT":                         {value: UpstreamPeerSubject},
	"UPSTREAM_PEER_ISSUER":                          {value: UpstreamPeerIssuer},
	"UPSTREAM_PEER_CERT":                            {value: UpstreamPeerCert},
	"UPSTREAM_PEER_URI_SAN":                         {value: UpstreamPeerURIs},
	"UPSTREAM_PEER_DNS_SAN":                         {value: UpstreamPeerDNSNames},
	"UPSTREAM_PEER_IP_SAN":                          {value: UpstreamPeerIPs},
	"UPSTREAM_LOCAL_URI_SAN":                        {value: UpstreamLocalURIs},
	"UPSTREAM_LOCAL_DNS_SAN":                        {value: UpstreamLocalDNSNames},
	"DOWNSTREAM_PEER_SUBJECT":                       {value: DownstreamPeerSubject},
	"DOWNSTREAM_PEER_ISSUER":                        {value: DownstreamPeerIssuer},
	"DOWNSTREAM_PEER_URI_SAN":                       {value: DownstreamPeerURIs},
	"DOWNSTREAM_PEER_DNS_SAN":                       {value: DownstreamPeerDNSNames},
	"DOWNSTREAM_PEER_IP_SAN":                        {value: DownstreamPeerIPs},
	"DOWNSTREAM_PEER_EMAIL_SAN":                     {value: DownstreamPeerEmails},
	"DOWNSTREAM_PEER_SERIAL":                        {value: DownstreamPeerSerial},
	"DOWNSTREAM_PEER_FINGERPRINT_1":                 {value: DownstreamPeerSHA1},
	"DOWNSTREAM_PEER_FINGERPRINT_256":               {value: DownstreamPeerSHA256},
	"DOWNSTREAM_PEER_CERT":                          {value: DownstreamPeerCert},
	"DOWNSTREAM_PEER_CHAIN_SERIALS":                 {value: DownstreamPeerChainSerials},
	"DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1":          {value: DownstreamPeerChainSHA1},
	"DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256":        {value: DownstreamPeerChainSHA256},
	"DOWNSTREAM_LOCAL_SUBJECT":                      {value: DownstreamLocalSubject},
	"DOWNSTREAM_LOCAL_URI_SAN":                      {value: DownstreamLocalURIs},
	"DOWNSTREAM_LOCAL_DNS_SAN":                      {value: DownstreamLocalDNSNames},
	"DOWNSTREAM_LOCAL_IP_SAN":                       {value: DownstreamLocalIPs},
	"DOWNSTREAM_LOCAL_EMAIL_SAN":                    {value: DownstreamLocalEmails},
	"DOWNSTREAM_PEER_OTHERNAME_SAN":                 {value: DownstreamPeerOtherNames},
	"DOWNSTREAM_PEER_ISSUER_FINGERPRINT_256":        {value: DownstreamPeerIssuerSHA256},
	"DOWNSTREAM_PEER_ISSUER_SERIAL":                 {value: DownstreamPeerIssuerSerial},
	"DOWNSTREAM_LOCAL_OTHERNAME_SAN":                {value: DownstreamLocalOtherNames},
	"DOWNSTREAM_TLS_GROUP":                          {value: DownstreamTLSGroup},
	"UPSTREAM_TLS_GROUP":                            {value: UpstreamTLSGroup},
	"UPSTREAM_LOCAL_IP_SAN":                         {value: UpstreamLocalIPs},
	"REQUEST_HEADERS_BYTES":                         {value: RequestHeadersBytes, numeric: true},
	"RESPONSE_HEADERS_BYTES":                        {value: ResponseHeadersBytes, numeric: true},
	"RESPONSE_TRAILERS_BYTES":                       {value: ResponseTrailersBytes, numeric: true},
	"DOWNSTREAM_HEADER_BYTES_RECEIVED":              {value: HeaderBytesReceived, numeric: true},
	"DOWNSTREAM_HEADER_BYTES_SENT":                  {value: HeaderBytesSent, numeric: true},
	"DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED": {value: PlainHeaderBytesReceived, numeric: true},
	"DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT":     {value: PlainHeaderBytesSent, numeric: true},
	"UPSTREAM_HEADER_BYTES_RECEIVED":                {value: UpstreamHeaderBytesReceived, numeric: true},
	"UPSTREAM_HEADER_BYTES_SENT":                    {value: UpstreamHeaderBytesSent, numeric: true},
	"UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED":   {value: UpstreamPlainHeaderBytesReceived, numeric: true},
	"UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT":       {value: UpstreamPlainHeaderBytesSent, numeric: true},
	"UPSTREAM_CONNECTION_ID":                        {value: UpstreamConnectionID, numeric: true},
	"UPSTREAM_CONNECTION_IDS_ATTEMPTED":             {value: UpstreamConnectionsAttempted},
	"UPSTREAM_HOSTS_ATTEMPTED":                      {value: UpstreamHostsAttempted},
	"UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT":         {value: UpstreamHostsAttemptedWithoutPort},
	"UPSTREAM_HOST_NAMES_ATTEMPTED":                 {value: UpstreamHostNamesAttempted},
	"UPSTREAM_HOST_NAMES_ATTEMPTED_WITHOUT_PORT":    {value: UpstreamHostNamesAttemptedWithoutPort},
	"UPSTREAM_REMOTE_ADDRESS_ENDPOINT_ID":           {value: UpstreamEndpointID},
	"UPSTREAM_DETECTED_CLOSE_TYPE":                  {value: UpstreamCloseType},
	"UPSTREAM_LOCAL_CLOSE_REASON":                   {value: Never},
	"UPSTREAM_CONNECTION_POOL_READY_DURATION":       {value: PoolReadyDuration, numeric: true},
	"DOWNSTREAM_HANDSHAKE_DURATION":                 {value: HandshakeDuration, numeric: true},
	"TLS_JA3_FINGERPRINT":                           {value: Never},
	"TLS_JA4_FINGERPRINT":                           {value: Never},
}

// Source gives the values of one request.
type Source interface {
	// RequestHeader and ResponseHeader return the value of a field by its
	// lower-case name; requests have the pseudo headers :method, :path,
	// :authority and :scheme too.
	RequestHeader(name string) ([]byte, bool)
	ResponseHeader(name string) ([]byte, bool)
	// ResponseTrailer does the same for the fields after the answer's body.
	ResponseTrailer(name string) ([]byte, bool)
	// StartTime is when the request began.
	StartTime() time.Time
	// Validity is between which times the certificate of the client, or of the
	// service, is valid; false where it has shown none.
	Validity(ofService bool) (from, to time.Time, ok bool)
	// AppendSpan appends how long it was from one moment to another, in units;
	// false where one of them did not come, or they came the other way round.
	AppendSpan(dst []byte, from, to Moment, unit time.Duration) ([]byte, bool)
	// Metadata is what the holder carries under each name; nil where there is
	// no such holder.
	Metadata(of Holder) map[string]*structpb.Struct
	// AppendValue appends a value; false, with dst as it was, means that there
	// is none.
	AppendValue(dst []byte, v Value) ([]byte, bool)
}
