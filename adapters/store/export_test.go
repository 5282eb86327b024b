package store

// LookFor is the query of a page of calls.
var LookFor = lookFor
