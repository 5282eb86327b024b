// Package acceptance proves the product on parts that we did not write: Kamailio
// as the PBX, Asterisk in one whole run, SIPp as callers and telephones, PostgreSQL,
// and nftables for the cables that are pulled. The product itself is the binary of cmd/releve, started
// as an operator starts it.
//
// Everything runs in a network and process namespace of its own, so that no port
// of the machine is touched and nothing outlives the tests. Counts come from
// outside the product: an ear on the namespace's loopback hears what each caller
// heard, a ledger takes each identifier that a server says it has stored, the
// PBX's log gives the times, and the databases are read through their own
// sockets. A process of the product that ends though nobody ordered it, that does not end when
// it was, or that says of itself that it broke down, fails the test, whatever the test is about.
//
// With RELEVE_ACCEPTANCE_RACE=1 (make race) the product has the race detector in it, and a
// server ends where it has raced. Such a program is slower and larger: what it may take of
// time and memory is then five times as much. It holds the C library, and is not held to close
// the ways back to root on threads that are not Go's.
package acceptance
