package console_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"releve"
	"releve/screen/console"
	"releve/screen/console/client"
	"releve/screen/view"
)

// nurse takes alarms in hand, but for one.
type nurse struct{ had []view.Handling }

func (n *nurse) Shown() []view.Alarm { return []view.Alarm{} }

func (n *nurse) Maintained() []view.Maintenance { return nil }

func (n *nurse) Maintain(context.Context, view.Caller, view.Work) error { return nil }

// Story has one that a person acknowledged.
func (n *nurse) Story(name string) (view.AlarmStory, error) {
	if name != "takeover" {
		return view.AlarmStory{}, &releve.Fault{Cause: releve.ErrUnknown, Why: releve.Say("alarm-not-known", "alarm", name)}
	}
	return view.AlarmStory{Alarm: view.Alarm{Alarm: name, By: "Durand", Remark: "vu"}, History: []view.Moment{
		{What: "raised", Server: releve.Main}, {What: "ack", Server: releve.Main, By: "Durand", Remark: "vu"},
	}}, nil
}

func (n *nurse) Handle(_ context.Context, _ view.Caller, h view.Handling) error {
	n.had = append(n.had, h)
	switch h.Alarm {
	case "nothing":
		return &releve.Fault{Cause: releve.ErrUnknown, Why: releve.Say("alarm-not-there", "alarm", h.Alarm)}
	case "broken":
		return errors.New("the disk is gone")
	}
	return nil
}

func TestAnAlarmIsTakenInHandOnTheMachineItself(t *testing.T) {
	var n nurse
	options := console.Options{Alarms: &n, Socket: t.TempDir() + "/s"}
	server := served(t, newSite(t, "alarms"), options)
	c := client.New(options.Socket)
	order := view.Handling{Act: "ack", Alarm: "takeover", By: "Durand", Remark: "vu"}
	answer, err := c.Handle(t.Context(), order)
	if err != nil || answer.Refused != nil || len(n.had) != 1 || n.had[0] != order {
		t.Errorf("ordered %+v, answered %+v, %v", n.had, answer, err)
	}
	answer, err = c.Handle(t.Context(), view.Handling{Act: "ack", Alarm: "nothing"})
	if err != nil || answer.Refused == nil || answer.Refused.Code != "alarm-not-there" || !answer.Unknown {
		t.Errorf("of one that there is not: %+v, %v", answer, err)
	}
	if _, err = c.Handle(t.Context(), view.Handling{Act: "ack", Alarm: "broken"}); err == nil {
		t.Error("a failure was answered as done")
	}
	if response, body := ask(t, "POST", "http://"+server.Address()+"/api/alarms"); response.StatusCode/100 != 4 {
		t.Errorf("over the network: %s", body)
	}
	n.had = nil
	if _, err = c.Handle(t.Context(), view.Handling{Act: "ack", Alarm: "takeover", Remark: strings.Repeat("x", 5000)}); err == nil || len(n.had) > 0 {
		t.Error("an order without an end was read")
	}
}

func TestTheHistoryOfAnAlarm(t *testing.T) {
	var n nurse
	options := console.Options{Alarms: &n, Socket: t.TempDir() + "/s"}
	server := served(t, newSite(t, "alarms"), options)
	c := client.New(options.Socket)
	story, err := c.AlarmStory(t.Context(), "takeover")
	if err != nil || len(story.History) != 2 || story.History[1].Remark != "vu" || story.Alarm.Alarm != "takeover" {
		t.Errorf("it is %+v, %v", story, err)
	}
	if _, err := c.AlarmStory(t.Context(), "nothing"); !errors.Is(err, releve.ErrUnknown) {
		t.Errorf("of one that there is not: %v", err)
	}
	if response, body := ask(t, "GET", "http://"+server.Address()+"/api/alarms/history?alarm=nothing"); response.StatusCode != 404 {
		t.Errorf("over the network: %s", body)
	}
}

func TestThePageListsTheAlarms(t *testing.T) {
	server := served(t, newSite(t, "alarms"), console.Options{})
	_, page := ask(t, "GET", "http://"+server.Address()+"/?lang=fr")
	for _, want := range []string{"Le serveur principal ne se fait plus entendre.", "personne ne l&#39;a en main", "A. Martin l&#39;a en main depuis", "2 de plus"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if i, j := strings.Index(page, "ne se fait plus entendre"), strings.Index(page, "A. Martin l"); i > j {
		t.Error("what waits for somebody does not come first")
	}
}
