package console

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/text/language"

	"releve"
	"releve/doors/seal"
)

//go:embed page
var files embed.FS

var pages = template.Must(template.ParseFS(files, "page/*.tmpl"))

// parts are the pieces of the page that change by themselves, each a template and
// the element "part-NAME".
var parts = []string{"about", "word", "drawing", "remarks", "alarms", "procedure", "guide", "calls", "events", "loss", "wall"}

// The style sheet is one file to the browser; the drawing's half of it also goes
// into the drawing that is fetched alone.
var (
	drawingStyle = asset("drawing.css")
	style        = slices.Concat(asset("page.css"), asset("procedures.css"), asset("screen.css"), drawingStyle)
	script       = asset("live.js")
	icon         = asset("icon.svg")
	version      = fingerprint()
)

func asset(name string) []byte {
	b, err := files.ReadFile("page/" + name)
	if err != nil {
		panic(fmt.Sprintf("the page was built without %s: %v", name, err))
	}
	return b
}

// fingerprint names what the page is made of, so that a screen that was open
// during an update loads the new one.
func fingerprint() string {
	sum := sha256.New()
	entries, err := files.ReadDir("page")
	if err != nil {
		panic(err)
	}
	for _, e := range entries {
		sum.Write(asset(e.Name()))
	}
	return hex.EncodeToString(sum.Sum(nil))[:12]
}

func (s *Server) publicRoutes() http.Handler {
	mux := http.NewServeMux()
	s.apiRoutes(mux, s.sees)
	s.loginRoutes(mux)
	mux.HandleFunc("GET /{$}", s.page)
	mux.HandleFunc("GET /screen", s.screen)
	mux.HandleFunc("GET /events", s.events)
	mux.HandleFunc("GET /drawing.svg", s.drawing)
	mux.HandleFunc("GET /style.css", file("text/css; charset=utf-8", style))
	mux.HandleFunc("GET /live.js", file("text/javascript; charset=utf-8", script))
	mux.HandleFunc("GET /icon.svg", file("image/svg+xml", icon))
	mux.HandleFunc("/", unknown)
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusForbidden, "cross-origin", errors.New("another page may order nothing here"))
	}))
	return s.addressed(s.guarded(crossOrigin.Handler(s.renewed(mux))))
}

// unknown answers what is not here, and whoever wants to change something.
func unknown(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		refuse(w, http.StatusMethodNotAllowed, "read-only",
			errors.New("this address only shows; `releve` on the server itself commands"))
		return
	}
	refuse(w, http.StatusNotFound, "not-found", fmt.Errorf("there is nothing at %s; the page is at /", r.URL.Path))
}

func file(kind string, content []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		w.Header().Set("Cache-Control", "max-age=31536000, immutable") // its address names the version
		_, _ = w.Write(content)
	}
}

// guarded lets the page take nothing from elsewhere, and only the other server's
// page read what is here.
func (s *Server) guarded(next http.Handler) http.Handler {
	action := "'none'"
	if s.options.Accounts != nil {
		action = "'self'"
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		connect, other := "'self'", ""
		if s.options.OtherConsole != "" {
			other = scheme(r) + "://" + s.options.OtherConsole
			connect += " " + other
		}
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src "+connect+
			"; base-uri 'none'; form-action "+action+"; frame-ancestors 'self'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Vary", "Origin, Cookie")
		if origin := r.Header.Get("Origin"); other != "" && origin == other {
			h.Set("Access-Control-Allow-Origin", origin)
		}
		next.ServeHTTP(w, r)
	})
}

// scheme is how a reader came: a page that came sealed may ask for nothing that is not.
func scheme(r *http.Request) string {
	if seal.Sealed(r.Context()) {
		return "https"
	}
	return "http"
}

// languageCookie keeps the choice of a reader who made one.
const languageCookie = "releve-language"

var languages = language.NewMatcher([]language.Tag{language.English, language.French})

// readerLanguage is the reader's: the one asked for, the one chosen before, the
// browser's.
func readerLanguage(r *http.Request) releve.Language {
	chosen := []string{r.URL.Query().Get("lang")}
	if c, err := r.Cookie(languageCookie); err == nil {
		chosen = append(chosen, c.Value)
	}
	for _, l := range chosen {
		if l == string(releve.French) || l == string(releve.English) {
			return releve.Language(l)
		}
	}
	wanted, _, err := language.ParseAcceptLanguage(r.Header.Get("Accept-Language"))
	if _, i, confidence := languages.Match(wanted...); err == nil && confidence > language.No && i == 1 {
		return releve.French
	}
	return releve.English
}

func (s *Server) page(w http.ResponseWriter, r *http.Request) {
	if s.sees(r).calls {
		s.looked(r, "event-calls-looked", url.Values{"page": {front}})
	}
	sheet := newSheet(s.sees(r).scene(s.firstScene(r.Context())), readerLanguage(r))
	sheet.Other, sheet.Person, sheet.Logins = s.other(r), s.who(r), s.options.Accounts != nil
	sheet.Here = *r.URL
	s.show(w, r, http.StatusOK, "page", sheet.Lang, sheet)
}

// show answers with a page, and keeps the language that was chosen for it.
func (s *Server) show(w http.ResponseWriter, r *http.Request, status int, name string, lang releve.Language, sheet any) {
	if r.URL.Query().Has("lang") {
		http.SetCookie(w, &http.Cookie{
			Name: languageCookie, Value: string(lang), Path: "/", MaxAge: int((365 * 24 * time.Hour).Seconds()),
			HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
	}
	var html strings.Builder
	if err := pages.ExecuteTemplate(&html, name, sheet); err != nil {
		refuse(w, http.StatusInternalServerError, "page", err)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Language", string(lang))
	w.WriteHeader(status)
	_, _ = w.Write([]byte(html.String()))
}

// pageLimit is how long a page may wait for the calls of a database that may be
// away: the stream brings them later.
const pageLimit = 300 * time.Millisecond

// firstScene is what a screen shows at first: nobody may have looked for long.
func (s *Server) firstScene(ctx context.Context) scene {
	ctx, cancel := context.WithTimeout(ctx, pageLimit)
	defer cancel()
	s.live.refresh(ctx)
	first := s.live.scene()
	first.site = s.options.Site.View()
	return first
}

// other is the address of the other server's stream, "" when it is not known or
// is the one that the reader came by.
func (s *Server) other(r *http.Request) string {
	if s.options.OtherConsole == "" || s.options.OtherConsole == r.Host {
		return ""
	}
	return (&url.URL{Scheme: scheme(r), Host: s.options.OtherConsole, Path: "/events"}).String()
}

// drawing is the picture of the site alone, for another page or a wall.
func (s *Server) drawing(w http.ResponseWriter, r *http.Request) {
	sheet := newSheet(scene{site: sight{}.site(s.options.Site.View())}, readerLanguage(r)) // it is anybody's
	sheet.Style = template.CSS(drawingStyle)
	var svg strings.Builder
	err := pages.ExecuteTemplate(&svg, "picture", picture{sheet, wide})
	if err != nil {
		refuse(w, http.StatusInternalServerError, "drawing", err)
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'") // its own style, and nothing else
	_, _ = w.Write([]byte(svg.String()))
}
