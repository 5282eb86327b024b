package cli

import (
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"releve/rules/pbx"
)

// optionOf are the options of init by which the settings of a profile are given.
var optionOf = map[string]string{"pbx.overflow_evidence": "overflow-evidence", "pbx.expires": "expires"}

// suit reads what was typed of the PBX: its type or its address, or the one in --pbx and the other in
// --pbx-address. What the type asks for is taken where nothing else was typed. In p.pbx it leaves the
// option that is to have the address.
func (s *settings) suit(c *cobra.Command, p *places) (pbx.Type, error) {
	typed := p.pbx
	p.pbx = "--pbx"
	if typed == "" || strings.ContainsAny(typed, ".:") { // no type is written so
		if typed != "" {
			p.address = typed
		}
		return pbx.Generic, nil
	}
	p.pbx = "--pbx-address"
	profile, err := pbx.Find(pbx.Type(typed))
	if err != nil {
		return "", err
	}
	for _, set := range profile.Settings {
		flag := optionOf[set.Key]
		if c.Flags().Changed(flag) {
			continue
		}
		if err := c.Flags().Set(flag, strings.Trim(set.Value, `"`)); err != nil {
			return "", err
		}
	}
	return profile.Type, nil
}

// pbxAddress reads an address whose port may be left to SIP's own (RFC 3261 §19.1.2).
func pbxAddress(typed string) (netip.AddrPort, error) {
	if host, err := netip.ParseAddr(typed); err == nil {
		return netip.AddrPortFrom(host, 5060), nil
	}
	return netip.ParseAddrPort(typed)
}
