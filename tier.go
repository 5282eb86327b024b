package releve

// TierState is how one layer of a server is.
type TierState string

// The states of a tier.
const (
	TierWell     TierState = "well"
	TierStarting TierState = "starting"
	TierDegraded TierState = "degraded"
	TierDown     TierState = "down"
	TierUnknown  TierState = "unknown"
	TierNone     TierState = "none" // the level gives this server none
)

// Tier is the state of one layer with its reason, "" when well.
type Tier struct {
	State TierState `json:"state"`
	Why   Sentence  `json:"why"`
}
