package voice

import (
	"strings"

	"releve/adapters/phone"
	"releve/adapters/phone/media"
	"releve/adapters/phone/sip"
	"releve/config"
)

// Spoken are the options of a telephone with the PBX of a configuration, and how that is spoken to.
func Spoken(c config.PBX, o phone.Options) phone.Options {
	at, name := c.At()
	o.PBX, o.PBXName, o.Domain, o.Transport = at, name, c.Domain, sip.Transport(c.Transport)
	host := at.Addr().String()
	if name != "" {
		host, _, _ = strings.Cut(name, ":")
	}
	o.Security = media.Security(c.SRTP)
	o.Certificates = &sip.Certificates{
		Names: []string{host, c.Domain}, CA: c.CA,
		Certificate: c.Certificate, Key: c.Key, Anyway: c.BadCertificate == "accept",
	}
	return o
}
