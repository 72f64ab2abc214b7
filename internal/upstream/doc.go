// Package upstream is the clusters of a snapshot at run time: their endpoints,
// the choice among them, pools of connections and the limits on those. It knows
// bytes on connections, not what they mean: the codecs are the engine's.
//
// Clusters are immutable views that one program uses; the hosts behind them,
// with their idle connections, are shared by all programs that know the address,
// so that a new configuration does not cost new connections.
package upstream
