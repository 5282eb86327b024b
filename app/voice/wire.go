package voice

import (
	"releve/adapters/phone"
	"releve/adapters/phone/sip"
	"releve/config"
)

// Spoken are the options of a telephone with the PBX of a configuration, and how that is spoken to.
func Spoken(c config.PBX, o phone.Options) phone.Options {
	at := config.Address(c.Address)
	o.PBX, o.Domain, o.Transport = at, c.Domain, sip.Transport(c.Transport)
	o.Certificates = &sip.Certificates{
		Names: []string{at.Addr().String(), c.Domain}, CA: c.CA,
		Certificate: c.Certificate, Key: c.Key, Anyway: c.BadCertificate == "accept",
	}
	return o
}
