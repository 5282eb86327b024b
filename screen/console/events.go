package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"releve/screen/view"
)

// message is one picture of the stream: the site as data, and those parts of the
// page that changed, as HTML.
type message struct {
	Version string            `json:"version"` // of the page; a screen with another loads it anew
	Title   string            `json:"title"`
	Site    view.Site         `json:"site"`
	Parts   map[string]string `json:"parts"`
}

// events streams the site to one screen (the HTML standard, server-sent events).
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	ctx, leave, ok := lasting(r, s.screens)
	if !ok {
		refuse(w, http.StatusServiceUnavailable, "too-many-screens",
			fmt.Errorf("%d screens are open already, or %d from your address: close one", screens.Most, screens.Each))
		return
	}
	defer leave()
	woken, gone := s.live.join()
	defer gone()
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no")
	out := stream{w: w, out: http.NewResponseController(w), shown: map[string]string{}}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	like := func() likeness { return likeness{readerLanguage(r), s.sees(r)} } // a session may end while the screen is open
	next, err := draw(like().sees.scene(s.firstScene(ctx)), like().lang)
	for ; err == nil && out.show(next) == nil && sleep(ctx, pace); next, err = s.live.frame(like()) {
		select {
		case <-ctx.Done():
			return
		case <-woken:
		case <-beat.C:
		}
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}

// stream is one screen and what it shows already.
type stream struct {
	w     http.ResponseWriter
	out   *http.ResponseController
	shown map[string]string
	beat  time.Time // when the last thing was sent
}

// show sends the parts that changed, or a heartbeat when nothing did for a while.
func (s *stream) show(f frame) error {
	changed := map[string]string{}
	for name, html := range f.parts {
		if before, sent := s.shown[name]; !sent || before != html { // an empty part empties the screen's
			s.shown[name], changed[name] = html, html
		}
	}
	switch {
	case len(changed) > 0:
		return s.send("site", message{Version: version, Title: f.title, Site: f.site, Parts: changed})
	case time.Since(s.beat) >= heartbeat-pace:
		return s.send("beat", struct{}{})
	}
	return nil
}

// send writes one event. The screen asks again a second after a loss.
func (s *stream) send(event string, data any) error {
	line, err := json.Marshal(data)
	if err != nil {
		return err
	}
	s.beat = time.Now()
	_, err = fmt.Fprintf(s.w, "retry: 1000\nevent: %s\ndata: %s\n\n", event, line)
	return errors.Join(err, s.out.Flush())
}
