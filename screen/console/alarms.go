package console

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"releve"
	"releve/screen/view"
)

// Alarms are taken in hand on either server (SPEC A2).
type Alarms interface {
	Shown() []view.Alarm
	// Story is what happened to one, done or not. What is not known is a [releve.Fault] of [releve.ErrUnknown].
	Story(name string) (view.AlarmStory, error)
	Maintained() []view.Maintenance
	// Maintain has the maintenance of a place begin or end. What it refuses is a [releve.Fault].
	Maintain(ctx context.Context, by view.Caller, w view.Work) error
	// Handle does what a person orders. What it refuses is a [releve.Fault].
	Handle(ctx context.Context, by view.Caller, h view.Handling) error
}

func (s *Server) alarmRoutes(mux *http.ServeMux) {
	keeper := s.options.Alarms
	if keeper == nil {
		return
	}
	s.takes(mux, "POST /api/alarms", answered(func(r *http.Request) (any, error) {
		var h view.Handling
		if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, handlingMost)).Decode(&h); err != nil {
			return nil, badRequest{err}
		}
		err := keeper.Handle(r.Context(), caller(r), h)
		answer := view.Handled{Alarms: keeper.Shown()}
		if fault, refused := errors.AsType[*releve.Fault](err); refused {
			answer.Refused, answer.Unknown = &fault.Why, errors.Is(err, releve.ErrUnknown)
			return answer, nil
		}
		return answer, err
	}))
}

// maintenanceRoutes are those by which a place is put under maintenance.
func (s *Server) maintenanceRoutes(mux *http.ServeMux) {
	keeper := s.options.Alarms
	if keeper == nil {
		return
	}
	s.takes(mux, "POST /api/maintenance", answered(func(r *http.Request) (any, error) {
		var w view.Work
		if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, handlingMost)).Decode(&w); err != nil {
			return nil, badRequest{err}
		}
		err := keeper.Maintain(r.Context(), caller(r), w)
		answer := view.Worked{Maintenance: keeper.Maintained()}
		if fault, refused := errors.AsType[*releve.Fault](err); refused {
			answer.Refused, answer.Unknown = &fault.Why, errors.Is(err, releve.ErrUnknown)
			return answer, nil
		}
		return answer, err
	}))
}

// handlingMost bounds an order: a name, a remark and the name of an alarm.
const handlingMost = 4 << 10

// history answers with what happened to the alarm that the address names, as the reader may see it.
func (s *Server) history(w http.ResponseWriter, r *http.Request, v sight) {
	if s.options.Alarms == nil {
		http.NotFound(w, r)
		return
	}
	answering(func(r *http.Request) (any, error) {
		story, err := s.options.Alarms.Story(r.URL.Query().Get("alarm"))
		return v.story(story), err
	})(w, r)
}
