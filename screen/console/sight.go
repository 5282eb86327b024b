package console

import (
	"maps"
	"net/http"
	"net/netip"
	"slices"

	"releve"
	"releve/doors/seal"
	"releve/screen/view"
)

// sight is what a reader may see (SPEC K5). Anybody may see the word, the drawing and the alarms; who called, and
// who does what about it, is seen after a login.
type sight struct {
	calls, people bool
}

var everything = sight{true, true}

// cookie holds the session. Its prefix has browsers take it from this very host alone, sealed (RFC 6265bis, 4.1.3.2).
const cookie = "__Host-releve"

// session is what a reader carries; "": nothing, or not sealed.
func session(r *http.Request) string {
	c, err := r.Cookie(cookie)
	if err != nil || !seal.Sealed(r.Context()) {
		return ""
	}
	return c.Value
}

// who is the reader, where he is logged in.
func (s *Server) who(r *http.Request) *view.Person {
	if s.options.Accounts == nil || session(r) == "" {
		return nil
	}
	if p, _, ok := s.options.Accounts.Who(session(r)); ok {
		return &p
	}
	return nil
}

// sees is what the reader may see. Where nobody logs in, there is nobody to hide anything from.
func (s *Server) sees(r *http.Request) sight {
	if s.options.Accounts == nil {
		return everything
	}
	if p := s.who(r); p != nil {
		return sight{p.SeesCalls, p.SeesPeople}
	}
	if token := r.URL.Query().Get("device"); token != "" && seal.Sealed(r.Context()) && s.options.Accounts.Screen(token) {
		return sight{people: true}
	}
	return sight{}
}

// renewed goes on with the session of who asks for something.
func (s *Server) renewed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.options.Accounts != nil && session(r) != "" {
			if _, fresh, ok := s.options.Accounts.Who(session(r)); ok && fresh != "" {
				http.SetCookie(w, carried(fresh))
			}
		}
		next.ServeHTTP(w, r)
	})
}

// carried is a session as browsers carry it, until they are closed or it ends. "" takes it away.
func carried(token string) *http.Cookie {
	c := &http.Cookie{Name: cookie, Value: token, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode}
	if token == "" {
		c.MaxAge = -1
	}
	return c
}

// address is where a reader is.
func address(r *http.Request) netip.Addr {
	at, _ := netip.ParseAddrPort(r.RemoteAddr) // on the socket, nowhere
	return at.Addr().Unmap()
}

// somebody stands for a name that is not shown.
const somebody = "•••"

// site is a site as it may be seen.
func (v sight) site(s view.Site) view.Site {
	if v.people {
		return s
	}
	s.Alarms = slices.Clone(s.Alarms)
	for i := range s.Alarms {
		if a := &s.Alarms[i]; a.By != "" {
			a.By, a.Remark = somebody, ""
		}
	}
	s.Maintenance = slices.Clone(s.Maintenance)
	for i := range s.Maintenance {
		s.Maintenance[i].By, s.Maintenance[i].Reason = somebody, ""
	}
	s.Events = slices.Clone(s.Events)
	for i := range s.Events {
		s.Events[i].What = unnamed(s.Events[i].What)
	}
	return s
}

// story is the history of an alarm as it may be seen.
func (v sight) story(s view.AlarmStory) view.AlarmStory {
	if v.people {
		return s
	}
	if s.By != "" {
		s.By, s.Remark = somebody, ""
	}
	s.History = slices.Clone(s.History)
	for i := range s.History {
		if m := &s.History[i]; m.By != "" {
			m.By, m.Remark = somebody, ""
		}
	}
	return s
}

// unnamed is a sentence without the people whom it names, and their words.
func unnamed(what releve.Sentence) releve.Sentence {
	args := maps.Clone(what.Args)
	for _, name := range []string{"by", "user"} {
		if args[name] != "" {
			args[name] = somebody
		}
	}
	if args["remark"] != "" {
		args["remark"] = ""
	}
	what.Args = args
	return what
}

// scene is a scene as it may be seen.
func (v sight) scene(m scene) scene {
	m.site = v.site(m.site)
	if !v.calls {
		m.calls, m.hidden = nil, true
	}
	return m
}
