package peer_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"releve"
	"releve/server/agent"
	"releve/server/wire"
)

// What the version before sends, kept as its own code wrote it: each question, answer and line
// of the link. What two servers tell each other of themselves is kept in server/wire.
const before = "testdata/version1/"

// A server of the version before is understood and understands, whoever asks: each of its
// words comes through whole, but for the page, of which it always said that all is well.
func TestTheWordsOfTheVersionBefore(t *testing.T) {
	p := newPair(t)
	heard := echoing{said: make(chan agent.Message, 1)}
	editions := new(wire.Editions)
	p.main.Handler = wire.Answers{Seat: releve.Main, Agent: heard, Editions: editions}
	main := wire.Other{Link: p.start(p.main), Editions: editions, Ended: func(error) {}}
	old := p.version1(t)
	words, err := filepath.Glob("../../server/wire/testdata/version1/words/*.json")
	if err != nil || len(words) < 5 {
		t.Fatalf("%d words of the version before, %v", len(words), err)
	}
	for _, name := range words {
		said := read(t, name)
		answer := old.ask("/exchange", said)
		m := <-heard.said
		if m.Server.Interfaces.State != releve.TierUnknown || m.Status.Seat == "" {
			t.Errorf("%s is heard as %+v", name, m)
		}
		for _, lost := range lacks("", told(said), answer) {
			t.Errorf("%s: a server of the version before is not told %s", name, lost)
		}

		old.answers = said
		m, err := main.Exchange(within(t, plenty), m)
		if err != nil || m.Server.Interfaces.State != releve.TierUnknown || m.Status.Seat == "" {
			t.Errorf("%s as an answer: %+v, %v", name, m, err)
		}
		for _, lost := range lacks("", told(said), old.asked) {
			t.Errorf("%s: a server of the version before is not asked with %s", name, lost)
		}
	}
}

// echoing is an agent that says of itself what it hears of the other.
type echoing struct {
	wire.Agent
	said chan agent.Message
}

func (e echoing) Heard(_ context.Context, m agent.Message) agent.Message {
	e.said <- m
	return m
}

// Its questions are answered as it expects, and so are those that it is asked.
func TestTheQuestionsOfTheVersionBefore(t *testing.T) {
	p := newPair(t)
	var answer releve.CheckAnswer
	var page releve.SpoolPage
	decode(t, read(t, before+"check-answer.json"), &answer)
	decode(t, read(t, before+"spool-page.json"), &page)
	var asked []any
	p.main.Handler = handler{
		check: func(_ context.Context, q releve.CheckQuestion) releve.CheckAnswer {
			asked = append(asked, q)
			return answer
		},
		spoolRead: func(_ context.Context, after uint64, most int) (releve.SpoolPage, error) {
			asked = append(asked, after, most)
			return page, nil
		},
		spoolStored: func(_ context.Context, incarnation string, upTo uint64) error {
			asked = append(asked, incarnation, upTo)
			return nil
		},
	}
	main := p.start(p.main)
	old := p.version1(t)
	for path, kind := range map[string][2]string{
		"/check": {"check-question", "check-answer"}, "/spool/read": {"spool-question", "spool-page"}, "/spool/stored": {"spool-stored", ""},
	} {
		got := old.ask(path, read(t, before+kind[0]+".json"))
		if want := kind[1]; want != "" {
			// Of its database it told in each answer, and never read it.
			lost := lacks("", read(t, before+want+".json"), got)
			if lost = slices.DeleteFunc(lost, func(field string) bool { return field == "/database_well" }); len(lost) > 0 {
				t.Errorf("%s: not told %q", want, lost)
			}
		}
	}
	for _, want := range []any{releve.CheckQuestion{Nonce: "N1", Term: 4, Call: true}, uint64(41), 500, "A", uint64(42)} {
		if !slices.Contains(asked, want) {
			t.Errorf("not asked %v: %v", want, asked)
		}
	}

	spoken := answer
	spoken.Seat = releve.Secondary // the captured answer is a main's
	old.answers = encode(t, spoken)
	got, err := main.Check(within(t, plenty), releve.CheckQuestion{Nonce: "N1", Term: 4, Call: true})
	if err != nil || !reflect.DeepEqual(got, spoken) {
		t.Errorf("read %+v (%v), said %+v", got, err, spoken)
	}
	if lost := lacks("", read(t, before+"check-question.json"), old.asked); lost != nil {
		t.Errorf("not asked with %q", lost)
	}
	old.answers = read(t, before+"spool-page.json")
	if got, err := main.SpoolRead(within(t, plenty), 41, 500); err != nil || !reflect.DeepEqual(got, page) {
		t.Errorf("read %+v (%v)", got, err)
	}
	if lost := lacks("", read(t, before+"spool-question.json"), old.asked); lost != nil {
		t.Errorf("not asked with %q", lost)
	}
}

// A command is carried out for it line by line, and by it; each tells what it failed with.
func TestTheCommandsOfTheVersionBefore(t *testing.T) {
	p := newPair(t)
	long := json.RawMessage(`"` + strings.Repeat("x", 300<<10) + `"`)
	p.main.Handler = handler{command: func(_ context.Context, name string, args json.RawMessage, emit func(json.RawMessage) error) error {
		if name != "rejoin" || string(args) != `{"a":1}` {
			t.Errorf("asked for %s %s", name, args)
		}
		for _, value := range []json.RawMessage{json.RawMessage(`{"a":1}`), long} {
			if err := emit(value); err != nil {
				return err
			}
		}
		return releve.Refused(releve.ErrUnknown, "the order is unknown")
	}}
	main := p.start(p.main)
	old := p.version1(t)
	lines := bufio.NewScanner(bytes.NewReader(old.ask("/command/rejoin", []byte(`{"a":1}`))))
	lines.Buffer(nil, 1<<20)
	var got []json.RawMessage
	for lines.Scan() {
		got = append(got, bytes.Clone(lines.Bytes()))
	}
	for i, want := range []string{"command-value", "command-part", "command-part", "command-end"} {
		if i >= len(got) || !slices.Equal(keys(t, got[i]), keys(t, read(t, before+want+".json"))) && i != 2 {
			t.Fatalf("line %d of %d is no %s", i, len(got), want)
		}
	}
	if string(got[0]) != strings.TrimSpace(string(read(t, before+"command-value.json"))) {
		t.Errorf("a value is sent as %s", got[0])
	}

	old.answers = slices.Concat(read(t, before+"command-value.json"), read(t, before+"command-part.json"), []byte(`{"part":"fQ=="}`+"\n"), read(t, before+"command-end.json"))
	var values []string
	err := main.Command(within(t, plenty), "rejoin", nil, func(v json.RawMessage) error {
		values = append(values, string(v))
		return nil
	})
	if !slices.Equal(values, []string{`{"a":1}`, `{"a":1}`}) || err == nil || !strings.Contains(err.Error(), "the order is unknown") {
		t.Errorf("read %q, %v", values, err)
	}
	old.answers, old.status = read(t, before+"problem.json"), http.StatusServiceUnavailable
	if err := main.Command(within(t, plenty), "rejoin", nil, nil); err == nil || !strings.Contains(err.Error(), "too many requests") {
		t.Errorf("a refusal is read as %v", err)
	}
}

// version1 is the secondary as the version before: it posts and answers bytes.
type version1 struct {
	t       *testing.T
	client  http.Client
	main    string
	asked   []byte // the last that it was asked
	answers []byte // … and what it answers
	status  int
}

func (p *pair) version1(t *testing.T) *version1 {
	t.Helper()
	own, err := tls.LoadX509KeyPair(p.secondary.Cert, p.secondary.Key)
	if err != nil {
		t.Fatal(err)
	}
	shown := &tls.Config{Certificates: []tls.Certificate{own}, InsecureSkipVerify: true, MinVersion: tls.VersionTLS13} //nolint:gosec // who is asked is what p.main serves
	v := &version1{t: t, main: "https://" + p.main.Listen.String(), status: http.StatusOK}
	v.client.Transport = &http.Transport{TLSClientConfig: shown}
	listener, err := net.Listen("tcp", p.secondary.Listen.String())
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: v} //nolint:gosec // it serves one test
	served := make(chan error, 1)
	go func() { served <- server.Serve(tls.NewListener(listener, shown)) }()
	t.Cleanup(func() {
		v.client.CloseIdleConnections()
		_ = server.Close()
		<-served
	})
	return v
}

func (v *version1) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	v.asked, _ = io.ReadAll(r.Body)
	w.WriteHeader(v.status)
	_, _ = w.Write(v.answers)
}

func (v *version1) ask(path string, question []byte) []byte {
	v.t.Helper()
	answer, err := v.client.Post(v.main+path, "application/json", bytes.NewReader(question))
	if err != nil {
		v.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		v.t.Fatalf("%s is answered %s: %s, %v", path, answer.Status, body, err)
	}
	return body
}

// lacks are the values of what was said that are not in what is said now, or are others.
func lacks(name string, said, now []byte) (all []string) {
	var was, is map[string]json.RawMessage
	if json.Unmarshal(said, &was) == nil && json.Unmarshal(now, &is) == nil {
		for _, key := range slices.Sorted(maps.Keys(was)) {
			all = append(all, lacks(name+"/"+key, was[key], is[key])...)
		}
		return all
	}
	var listed, list []json.RawMessage
	if json.Unmarshal(said, &listed) == nil && json.Unmarshal(now, &list) == nil && len(listed) == len(list) {
		for i := range listed {
			all = append(all, lacks(name, listed[i], list[i])...)
		}
		return all
	}
	var one, other any
	if json.Unmarshal(said, &one) != nil || json.Unmarshal(now, &other) != nil || !reflect.DeepEqual(one, other) {
		return []string{name}
	}
	return nil
}

// told is a word of the version before without what it said and never knew: that the page is
// well, and how many messages a failure would lose, of which it had none.
func told(word []byte) []byte {
	var w map[string]map[string]json.RawMessage
	var all map[string]json.RawMessage
	_ = json.Unmarshal(word, &all)
	_ = json.Unmarshal(fmt.Appendf(nil, `{"server": %s, "mirror": %s}`, all["server"], all["mirror"]), &w)
	delete(w["server"], "interfaces")
	delete(w["mirror"], "lost_message")
	for name, part := range w {
		all[name], _ = json.Marshal(part)
	}
	word, _ = json.Marshal(all)
	return word
}

func keys(t *testing.T, object []byte) []string {
	t.Helper()
	var o map[string]json.RawMessage
	decode(t, object, &o)
	return slices.Sorted(maps.Keys(o))
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func decode(t *testing.T, text []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatal(err)
	}
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
