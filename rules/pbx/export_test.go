package pbx

// Kinds are all of them.
func Kinds() []Kind { return []Kind{Measured, Standard, Manual, Code, Reported} }
