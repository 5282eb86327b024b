package pbx

// Handover is how callers are put through at a PBX (SPEC C3).
type Handover string

// The ways: the PBX is asked to do it (REFER); this server calls whoever is wanted and joins both calls; or the PBX is
// asked until it turns out to know no REFER, and both calls are joined from then on.
const (
	Refer  Handover = "refer"
	Bridge Handover = "bridge"
	Auto   Handover = "auto"
)

// Joins says whether both calls are to be joined rather than the PBX be asked. refused: the PBX has refused a REFER as
// something that it does not do.
func (t Handover) Joins(refused bool) bool { return t == Bridge || t == Auto && refused }

// Falls says whether a REFER that was refused with a code, or both calls that could not be joined, lead to the other way.
func (t Handover) Falls() bool { return t != Refer }

// NoRefer says whether a code, with which a REFER itself was refused, says that the PBX has none: 405 and 501, and 603, by
// which some say that they allow none.
func NoRefer(code int) bool { return code == 405 || code == 501 || code == 603 }
