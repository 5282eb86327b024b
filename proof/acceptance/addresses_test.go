package acceptance

import "net/netip"

// The addresses of the namespace, all on its loopback.
const (
	pbxHost       = "127.0.0.10"
	mainHost      = "127.0.0.21"
	secondaryHost = "127.0.0.22"
	witnessHost   = "127.0.0.41"
	callersNet    = "127.0.9.0/24" // one address for each run of callers
)

var (
	pbxAddr    = netip.MustParseAddr(pbxHost)
	callers    = netip.MustParsePrefix(callersNet)
	serverHost = map[netip.Addr]bool{netip.MustParseAddr(mainHost): true, netip.MustParseAddr(secondaryHost): true}
)

func isServer(a netip.Addr) bool { return serverHost[a] }

func isCaller(a netip.Addr) bool { return callers.Contains(a) }

// legSeparator stands in the Call-ID of a transferred caller's second call: SIPp
// takes what follows it as the call it belongs to.
const legSeparator = "///"
