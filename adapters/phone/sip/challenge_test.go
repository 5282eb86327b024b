package sip

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/icholy/digest"

	gosip "github.com/emiago/sipgo/sip"
)

// challengeForms are what PBXs send, each a line of one header.
var challengeForms = []struct {
	name, header string
	realm, nonce string
	qop          bool // the answer must bear one
	hash         string
}{
	{"plain", `Digest realm="pbx.example", nonce="n1"`, "pbx.example", "n1", false, "md5"},
	{"token where quotes are due", `Digest realm=pbx.example,nonce="n1"`, "pbx.example", "n1", false, "md5"},
	{"token with a blank", `Digest realm=My PBX, nonce="n1"`, "My PBX", "n1", false, "md5"},
	{"nonce without quotes", `Digest realm="r", nonce=YWJj==`, "r", "YWJj==", false, "md5"},
	{"capital names", `Digest Realm="r", NONCE="n1", Algorithm=MD5, QOP="auth"`, "r", "n1", true, "md5"},
	{"capital scheme", `DIGEST realm="r", nonce="n1"`, "r", "n1", false, "md5"},
	{"empty qop", `Digest realm="r", nonce="n1", qop=""`, "r", "n1", false, "md5"},
	{"qop without quotes", `Digest realm="r", nonce="n1", qop=auth`, "r", "n1", true, "md5"},
	{"qop list with blanks", `Digest realm="r", nonce="n1", qop="auth-int , AUTH"`, "r", "n1", true, "md5"},
	{"unknown parameters", `Digest realm="r", x_hint="z", nonce="n1", y=, z`, "r", "n1", false, "md5"},
	{"trailing comma", `Digest realm="r", nonce="n1",`, "r", "n1", false, "md5"},
	{"commas too many", `Digest ,realm="r",, nonce="n1" ,`, "r", "n1", false, "md5"},
	{"no commas", `Digest realm="r" nonce="n1" algorithm=MD5`, "r", "n1", false, "md5"},
	{"semicolons", `Digest realm="r"; nonce="n1"`, "r", "n1", false, "md5"},
	{"blanks around =", "Digest realm = \"r\" ,\tnonce\t= \"n1\"", "r", "n1", false, "md5"},
	{"escaped quotes", `Digest realm="the \"old\" PBX\\", nonce="n\"1"`, `the "old" PBX\`, `n"1`, false, "md5"},
	{"comma and = in quotes", `Digest realm="a, nonce=x", nonce="n1"`, "a, nonce=x", "n1", false, "md5"},
	{"letters beyond ASCII", `Digest realm="Hôtel Été", nonce="n1"`, "Hôtel Été", "n1", false, "md5"},
	{"another scheme before", `Basic realm="x", Digest realm="r", nonce="n1"`, "r", "n1", false, "md5"},
	{"a token68 before", `Negotiate YWJj==, Digest realm="r", nonce="n1"`, "r", "n1", false, "md5"},
	{"two digests, the first is not spoken", `Digest realm="r", nonce="x", algorithm=MD5-sess, Digest realm="r", nonce="n1"`,
		"r", "n1", false, "md5"},
	{"the best first",
		`Digest realm="r", nonce="n1", algorithm=SHA-256, qop="auth", Digest realm="r", nonce="n2", algorithm=MD5`,
		"r", "n1", true, "sha256"},
	{"algorithm in quotes and small letters", `Digest realm="r", nonce="n1", algorithm="sha-256"`, "r", "n1", false, "sha256"},
	{"empty realm", `Digest realm="", nonce="n1"`, "", "n1", false, "md5"},
	{"never closed", `Digest nonce="n1", realm="r`, "r", "n1", false, "md5"},
}

// challenged is the response by which the PBX challenges a REGISTER that was sent there.
func challenged(t *testing.T, code int, headers ...string) (*Request, *Response, Credentials) {
	t.Helper()
	req, err := NewRequest("REGISTER", URI{Scheme: "sip", Host: "pbx.example"}, "<sip:u@pbx.example>",
		"t", "<sip:u@pbx.example>", "", "id", 1)
	if err != nil {
		t.Fatal(err)
	}
	req.PrependHeader(newVia(UDP, netip.MustParseAddrPort("192.0.2.2:5060")))
	req.SetDestination("192.0.2.1:5060")
	res := gosip.NewResponse(code, Reason(code))
	for _, name := range []string{"Via", "From", "To", "Call-ID", "CSeq"} {
		gosip.CopyHeaders(name, req, res)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		res.AppendHeader(gosip.NewHeader(headers[i], headers[i+1]))
	}
	res.SetSource("192.0.2.1:5060")
	return req, res, Credentials{User: `u"1`,
		Password: "secret", Trust: NewTrust(func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.1") }, "pbx.example")}
}

func TestEachFormOfAChallengeIsAnswered(t *testing.T) {
	hashes := map[string]func(...string) string{
		"md5": func(p ...string) string { s := md5.Sum([]byte(strings.Join(p, ":"))); return hex.EncodeToString(s[:]) },
		"sha256": func(p ...string) string {
			s := sha256.Sum256([]byte(strings.Join(p, ":")))
			return hex.EncodeToString(s[:])
		},
	}
	for _, f := range challengeForms {
		t.Run(f.name, func(t *testing.T) {
			req, res, who := challenged(t, 401, "WWW-Authenticate", f.header)
			var a Authorizer
			again, err := a.Again(req, res, who)
			if err != nil || again == nil {
				t.Fatalf("%s: not answered: %v", f.header, err)
			}
			header := Value(again, "Authorization")
			got, err := digest.ParseCredentials(header)
			if err != nil {
				t.Fatalf("%s: %v", header, err)
			}
			if got.Username != who.User || got.Realm != f.realm || got.Nonce != f.nonce || (got.QOP == "auth") != f.qop {
				t.Errorf("%s", header)
			}
			h := hashes[f.hash]
			want := h(h(who.User, f.realm, who.Password), f.nonce, h("REGISTER", req.Recipient.String()))
			if f.qop {
				want = h(h(who.User, f.realm, who.Password), f.nonce, fmt.Sprintf("%08x", got.Nc), got.Cnonce,
					"auth", h("REGISTER", req.Recipient.String()))
			}
			if got.Response != want {
				t.Errorf("%s: the response is not the digest of the password", header)
			}
		})
	}
}

func TestWhatCannotBeAnsweredIsNamed(t *testing.T) {
	for header, asks := range map[string]string{
		`Basic realm="x"`: "Basic",
		`Digest realm="r", nonce="n", algorithm=MD5-sess`: "MD5-sess",
		`Digest realm="r", nonce="n", qop="auth-conf"`:    "auth-conf",
		`Digest realm="r"`: `realm="r"`,
		`Digest nonce="n"`: `nonce="n"`,
		`Negotiate`:        "Negotiate",
		`AKAv1 realm="r", nonce="` + strings.Repeat("n", 9000): "AKAv1",
		"": "",
	} {
		req, res, who := challenged(t, 407, "Proxy-Authenticate", header)
		var a Authorizer
		_, err := a.Again(req, res, who)
		challenge, ok := errors.AsType[*ChallengeError](err)
		if !ok || challenge.Code != 407 || !strings.Contains(challenge.Asks, asks) || len(challenge.Asks) > 2*maxAsks {
			t.Errorf("%.40q: %v", header, err)
		}
	}
	if got := printable("a\x1b[2J\r\nb", 10); got != "a[2Jb" {
		t.Errorf("a terminal is told %q", got)
	}
}

// A digest of the password goes to the PBX's address, about what was sent there, and for
// its own realm (K2).
func TestAPasswordIsForThePBXAlone(t *testing.T) {
	const pbx, stranger = "192.0.2.1:5060", "198.51.100.9:5060"
	for _, c := range []struct {
		name, to, from, realm string
		dialog, answered      bool
	}{
		{"the PBX's realm, to REGISTER", pbx, pbx, "asterisk", false, true},
		{"the domain, inside a call", pbx, pbx, "pbx.example", true, true},
		{"another port of the PBX", "192.0.2.1:5080", "192.0.2.1:5080", "pbx.example", true, true},
		{"another realm, inside a call", pbx, pbx, "x", true, false},
		{"a stranger's host", stranger, stranger, "pbx.example", true, false},
		{"sent to a stranger, answered with the PBX's address", stranger, pbx, "pbx.example", true, false},
		{"sent to the PBX, answered by a stranger", pbx, stranger, "pbx.example", true, false},
		{"a stranger to REGISTER", pbx, stranger, "pbx.example", false, false},
		{"a name", "pbx.example:5060", pbx, "pbx.example", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			req, res, who := challenged(t, 407, "Proxy-Authenticate", `Digest realm="`+c.realm+`", nonce="n"`)
			if c.dialog {
				req.ReplaceHeader(gosip.NewHeader("To", Value(req, "To")+";tag=theirs"))
			}
			req.SetDestination(c.to)
			res.SetSource(c.from)
			var a Authorizer
			again, err := a.Again(req, res, who)
			if err != nil || (again != nil) != c.answered {
				t.Errorf("answered %v, %v", again != nil, err)
			}
		})
	}
	req, res, who := challenged(t, 407, "Proxy-Authenticate", `Digest realm="r", nonce="n"`)
	who.Trust = nil
	if again, err := new(Authorizer).Again(req, res, who); again != nil || err != nil {
		t.Errorf("nobody is trusted, and answered: %v", err)
	}
}

// The realm that the registrar asks for is the PBX's own, inside calls too.
func TestARealmIsLearnedOutsideCallsOnly(t *testing.T) {
	trust := NewTrust(func(a netip.Addr) bool { return a == netip.MustParseAddr("192.0.2.1") }, "pbx.example")
	ask := func(realm string, dialog bool) bool {
		req, res, who := challenged(t, 407, "Proxy-Authenticate", `Digest realm="`+realm+`", nonce="n"`)
		if dialog {
			req.ReplaceHeader(gosip.NewHeader("To", Value(req, "To")+";tag=theirs"))
		}
		who.Trust = trust
		again, _ := new(Authorizer).Again(req, res, who)
		return again != nil
	}
	if ask("asterisk", true) || !ask("asterisk", false) || !ask("asterisk", true) || ask("other", true) {
		t.Error("the realms are not those of REGISTER")
	}
	for i := range 3 * maxRealms {
		ask(fmt.Sprint("realm-", i), false)
	}
	if len(trust.realms) > maxRealms {
		t.Errorf("%d realms are remembered", len(trust.realms))
	}
}

// Of several challenges the one that may be answered is, wherever it stands; one of a realm
// that is not known is no reason to keep silent, and not to be learned beside one that is.
func TestTheOwnOfSeveralChallengesIsAnswered(t *testing.T) {
	for _, c := range []struct {
		name   string
		realms []string
		split  bool // each has a header of its own
		dialog bool
		answer []string // at once: each may be of a proxy of its own (RFC 3261 §22.3)
	}{
		{"a stranger's first, inside a call", []string{"x", "pbx.example"}, false, true, []string{"pbx.example"}},
		{"in headers of their own", []string{"x", "pbx.example"}, true, true, []string{"pbx.example"}},
		{"strangers' alone, inside a call", []string{"x", "y"}, false, true, nil},
		{"outside calls", []string{"x", "pbx.example"}, false, false, []string{"pbx.example"}},
		{"none is known, outside calls", []string{"x", "y"}, true, false, []string{"x", "y"}},
		{"twice the same", []string{"pbx.example", "pbx.example"}, false, true, []string{"pbx.example"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var headers, texts []string
			for i, realm := range c.realms {
				texts = append(texts, fmt.Sprintf(`Digest realm="%s", nonce="n%d"`, realm, i))
				headers = append(headers, "Proxy-Authenticate", texts[i])
			}
			if !c.split {
				headers = []string{"Proxy-Authenticate", strings.Join(texts, ", ")}
			}
			req, res, who := challenged(t, 407, headers...)
			if c.dialog {
				req.ReplaceHeader(gosip.NewHeader("To", Value(req, "To")+";tag=theirs"))
			}
			var a Authorizer
			var answered []string
			again, err := a.Again(req, res, who)
			if err != nil {
				t.Fatal(err)
			}
			if again != nil {
				for _, given := range credentialsIn(again, "Proxy-Authorization") {
					answered = append(answered, given["realm"])
				}
			}
			if !slices.Equal(answered, c.answer) {
				t.Errorf("answered %q, not %q", answered, c.answer)
			}
			if again, err := a.Again(req, res, who); again != nil || err != nil {
				t.Errorf("refused, the same is tried again: %v", err)
			}
			if slices.Contains(c.realms, "pbx.example") && len(who.Trust.realms) > 0 {
				t.Errorf("learned %q", who.Trust.realms)
			}
		})
	}
}

// credentialsIn are those that a request bears, in their order.
func credentialsIn(req *Request, header string) (all []map[string]string) {
	for _, h := range req.GetHeaders(header) {
		all = append(all, challenges(h.Value())[0].params)
	}
	return all
}

// A registrar that speaks more than MD5 says so in several challenges, the one that it likes best on top (RFC 8760 §2.4); a
// nonce that has become too old is no refusal, and a realm that asks again without saying so is one.
func TestTheBestOfSeveralAlgorithmsIsTaken(t *testing.T) {
	const header = "WWW-Authenticate"
	sha, md := `Digest realm="r", nonce="s", algorithm=SHA-256, qop="auth"`, `Digest realm="r", nonce="m", algorithm=MD5, qop="auth"`
	for _, c := range []struct {
		name   string
		asked  [][]string // headers, round by round
		answer []string   // nonce and algorithm of each round; "" refused
	}{
		{"SHA-256 on top", [][]string{{sha, md}}, []string{"s SHA-256"}},
		{"MD5 on top", [][]string{{md, sha}}, []string{"m MD5"}},
		{"in one header", [][]string{{sha + ", " + md}}, []string{"s SHA-256"}},
		{"one on top that nobody speaks", [][]string{{`Digest realm="r", nonce="x", algorithm=SHA-1`, `Digest realm="r", nonce="y", algorithm=SHA-256-sess`, sha, md}}, []string{"s SHA-256"}},
		{"SHA-512-256", [][]string{{`Digest realm="r", nonce="t", algorithm=SHA-512-256, qop="auth"`, md}}, []string{"t SHA-512-256"}},
		{"refused", [][]string{{sha, md}, {sha, md}}, []string{"s SHA-256", ""}},
		{"too old", [][]string{{sha, md}, {sha + ", stale=true", md + ", stale=true"}}, []string{"s SHA-256", "s SHA-256"}},
		{"too old, with a nonce of its own", [][]string{{sha}, {`Digest realm="r", nonce="s2", algorithm=SHA-256, stale=TRUE`}, {sha}}, []string{"s SHA-256", "s2 SHA-256", ""}},
		{"too old for ever", [][]string{{sha + ", stale=true"}, {sha + ", stale=true"}, {sha + ", stale=true"}, {sha + ", stale=true"}, {sha + ", stale=true"}},
			[]string{"s SHA-256", "s SHA-256", "s SHA-256", "s SHA-256", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var a Authorizer
			req, _, who := challenged(t, 401)
			for i, round := range c.asked {
				var headers []string
				for _, value := range round {
					headers = append(headers, header, value)
				}
				_, res, _ := challenged(t, 401, headers...)
				again, err := a.Again(req, res, who)
				if err != nil {
					t.Fatal(err)
				}
				got := ""
				if again != nil {
					given := credentialsIn(again, "Authorization")
					if got = given[0]["nonce"] + " " + given[0]["algorithm"]; len(given) != 1 {
						t.Errorf("round %d: %d credentials of one realm", i+1, len(given))
					}
					req = again
				}
				if got != c.answer[i] {
					t.Errorf("round %d is answered %q, not %q", i+1, got, c.answer[i])
				}
			}
		})
	}
}

// Two proxies on the way ask one after the other: what the first was given stays when the second asks, and each nonce that
// became too old is exchanged alone (RFC 3261 §22.3).
func TestEachProxyFindsItsOwnCredentials(t *testing.T) {
	var a Authorizer
	req, _, who := challenged(t, 407)
	ask := func(code int, values ...string) {
		t.Helper()
		name := map[int]string{401: "WWW-Authenticate", 407: "Proxy-Authenticate"}[code]
		var headers []string
		for _, v := range values {
			headers = append(headers, name, v)
		}
		_, res, _ := challenged(t, code, headers...)
		again, err := a.Again(req, res, who)
		if err != nil || again == nil {
			t.Fatalf("%q is not answered: %v", values, err)
		}
		req = again
	}
	bears := func(header string, want ...string) {
		t.Helper()
		var got []string
		for _, given := range credentialsIn(req, header) {
			got = append(got, given["realm"]+" "+given["nonce"])
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s is for %q, not %q", header, got, want)
		}
	}
	who.Trust.realms = []string{"first", "second"}
	ask(407, `Digest realm="first", nonce="1"`)
	bears("Proxy-Authorization", "first 1")
	ask(407, `Digest realm="second", nonce="2"`)
	bears("Proxy-Authorization", "first 1", "second 2")
	ask(407, `Digest realm="first", nonce="3", stale=true`)
	bears("Proxy-Authorization", "first 3", "second 2")
	ask(401, `Digest realm="pbx.example", nonce="4"`)
	bears("Proxy-Authorization", "first 3", "second 2")
	bears("Authorization", "pbx.example 4")
}

// Whatever a challenge says, the answer is one header line that names what was read.
func FuzzChallenge(f *testing.F) {
	for _, form := range challengeForms {
		f.Add(form.header)
	}
	f.Fuzz(func(t *testing.T, header string) {
		if strings.ContainsAny(header, "\r\n\x00") {
			return // the screen in front lets none of these into a value
		}
		req, res, who := challenged(t, 401, "WWW-Authenticate", header)
		again, err := new(Authorizer).Again(req, res, who)
		if err != nil {
			return
		}
		if again == nil {
			t.Fatal("neither answered nor refused")
		}
		all := challenges(Value(again, "Authorization"))
		asked, read := challenges(header), false
		for _, c := range asked {
			read = read || len(all) == 1 && all[0].params["realm"] == c.params["realm"] &&
				all[0].params["nonce"] == c.params["nonce"]
		}
		if !read || all[0].params["username"] != who.User || len(all[0].params["response"]) < 32 {
			t.Errorf("%q is answered with %q", header, Value(again, "Authorization"))
		}
	})
}
