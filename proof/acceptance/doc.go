// Package acceptance proves the product on parts that we did not write: Kamailio
// as the PBX, SIPp as callers and telephones, PostgreSQL, and nftables for the
// cables that are pulled. The product itself is the binary of cmd/releve, started
// as an operator starts it.
//
// Everything runs in a network and process namespace of its own, so that no port
// of the machine is touched and nothing outlives the tests. Counts come from
// outside the product: an ear on the namespace's loopback hears what each caller
// heard, a ledger takes each identifier that a server says it has stored, the
// PBX's log gives the times, and the databases are read through their own
// sockets.
package acceptance
