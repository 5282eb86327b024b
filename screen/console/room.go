package console

import (
	"net/http"
	"net/url"
	"strings"

	"releve"
	"releve/screen/view"
)

// room is a page of the console behind the login: it stands in the navigation of those who may enter it. All
// addresses below its own are its.
type room struct {
	path string
	name string                 // the code of its name
	may  func(view.Person) bool // nil: whoever is logged in
	acts []act
}

// act is what is done in a room.
type act struct {
	pattern string // of [http.ServeMux]
	do      func(*Server, http.ResponseWriter, *http.Request)
}

// rooms are all of them, in the order of the navigation.
var rooms = []room{
	{"/alarms", "ui-alarms", nil, []act{{"GET /alarms", (*Server).alarmsPage}, {"POST /alarms", (*Server).handleAlarm}}},
	{"/calls", "ui-calls", view.Person.MaySeeCalls, []act{
		{"GET /calls", (*Server).callsPage}, {"GET /calls/record", (*Server).recordPage}, {"GET /calls/export", (*Server).exportCalls},
	}},
	{"/servers", "ui-servers", nil, []act{{"GET /servers", (*Server).serversPage}}},
	{"/procedures", "ui-procedures", view.Person.MayRehearse, []act{
		{"GET /procedures", (*Server).proceduresPage}, {"GET /procedures/{name}", (*Server).choicePage}, {"POST /procedures/{name}", (*Server).orderProcedure},
		{"GET /procedures/runs/{id}", (*Server).runPage}, {"POST /procedures/runs/{id}/abort", (*Server).abort},
	}},
	{"/salvage", "ui-salvaging", view.Person.MaySeeCalls, []act{
		{"GET /salvage", (*Server).salvagesPage}, {"GET /salvage/{id}", (*Server).salvagePage}, {"POST /salvage/{id}", (*Server).decide},
	}},
	{"/history", "ui-history", view.Person.MaySeePeople, []act{{"GET /history", (*Server).historyPage}, {"GET /history/moment", (*Server).momentPage}}},
	{"/users", "ui-users", view.Person.MayKeepAccounts, []act{{"GET /users", (*Server).usersPage}, {"POST /users", (*Server).handleUser}}},
	{"/own", "ui-own", nil, []act{{"GET /own", (*Server).ownPage}, {"POST /own", (*Server).handleOwn}}},
}

// front is the page that anybody may see.
const front = "/"

// roomRoutes open the rooms to those who may enter.
func (s *Server) roomRoutes(mux *http.ServeMux) {
	for _, room := range rooms {
		for _, a := range room.acts {
			if _, known := ordered[a.pattern]; !known && strings.HasPrefix(a.pattern, "POST ") {
				panic(a.pattern + " is not among the addresses at which something is ordered")
			}
			mux.HandleFunc(a.pattern, sealed(s.admitted(room, a.do)))
		}
	}
}

// admitted lets those in who may, shows the others where to log in, and has the audit say who asked without the right.
func (s *Server) admitted(room room, do func(*Server, http.ResponseWriter, *http.Request)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		person := s.who(r)
		switch {
		case person == nil && r.Method == http.MethodGet:
			http.Redirect(w, r, "/login?"+url.Values{"next": {r.URL.RequestURI()}}.Encode(), http.StatusSeeOther)
		case person == nil:
			s.showLogin(w, r, http.StatusUnauthorized, loginSheet{Next: room.path, Wrong: s.plainSheet(r).Say("login-over")})
		case room.may != nil && !room.may(*person):
			s.options.Accounts.Denied(session(r), address(r), releve.Say("event-denied", "by", person.Name, "page", room.path))
			sheet := s.plainSheet(r)
			s.show(w, r, http.StatusForbidden, "denied", sheet.Lang, sheet)
		default:
			do(s, w, r)
		}
	}
}

// roomAt is the room that an address belongs to.
func roomAt(path string) (room, bool) {
	for _, room := range rooms {
		if path == room.path || strings.HasPrefix(path, room.path+"/") {
			return room, true
		}
	}
	return room{}, false
}

// next is where a login may lead to: a page of this console. Another page could have put anything there.
func next(asked string) string {
	at, err := url.Parse(asked)
	if err != nil || at.IsAbs() || at.Host != "" {
		return front
	}
	if _, there := roomAt(at.Path); !there {
		return front
	}
	return (&url.URL{Path: at.Path, RawQuery: at.RawQuery}).String()
}

// roomLink is a room in the navigation.
type roomLink struct {
	Path, Name string
	Here       bool
}

// Rooms are those that the reader may enter, and the front; none where nobody is logged in.
func (s *sheet) Rooms() []roomLink {
	if s.Person == nil {
		return nil
	}
	here, _ := roomAt(s.Here.Path)
	all := []roomLink{{front, "ui-now", s.Here.Path == front}}
	for _, room := range rooms {
		if room.may == nil || room.may(*s.Person) {
			all = append(all, roomLink{room.path, room.name, room.path == here.path})
		}
	}
	return all
}

// InOtherLanguage is the address of this page in the other language.
func (s *sheet) InOtherLanguage() string {
	query := s.Here.Query()
	query.Set("lang", string(s.OtherLanguage()))
	return (&url.URL{Path: s.Here.Path, RawQuery: query.Encode()}).String()
}
