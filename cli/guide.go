package cli

import (
	"fmt"
	"strings"

	"releve"
	"releve/rules/pbx"
	"releve/screen/words"
)

// guidePage is a profile with a site's values, in the reader's language: what `releve pbx guide` shows, as text or
// for programs.
type guidePage struct {
	Type     pbx.Type       `json:"type"`
	Name     string         `json:"name"`
	Tried    bool           `json:"tried"` // on a real one
	Title    string         `json:"title"`
	About    []string       `json:"about"` // what was tried, and what else is to be known first
	Values   []guideValue   `json:"values"`
	Topics   []guideTopic   `json:"topics"`
	Files    []guideFile    `json:"files,omitempty"`
	Settings []guideSetting `json:"settings,omitempty"`
	Kin      []guideKin     `json:"kin,omitempty"`
	Look     []string       `json:"look"` // commands
}

type guideValue struct {
	What  string `json:"what"`
	Value string `json:"value"`
}

type guideTopic struct {
	Title string      `json:"title"`
	Text  string      `json:"text"`
	Notes []guideNote `json:"notes,omitempty"`
}

type guideKin struct {
	Title string   `json:"title"`
	Text  string   `json:"text"`
	Steps []string `json:"steps"`
}

type guideNote struct {
	Text   string `json:"text"`
	Source string `json:"source,omitempty"`
}

type guideFile struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

type guideSetting struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	guideNote
}

func (s *settings) guide(p pbx.Profile, site pbx.Site, level releve.Level) guidePage {
	site.ReceptionSecret, site.StandbySecret = "", "" // a page is shown around
	told := func(code string) string { return words.Say(s.lang(), site.Say(code, p.Name)) }
	page := guidePage{Type: p.Type, Name: p.Name, Tried: p.Tried != "", Values: s.guideValues(site), Look: p.Look}
	title, tried := "guide-title", p.Tried
	switch {
	case p.Type == pbx.Generic:
		title, tried = "guide-title-generic", "guide-generic-tried"
	case tried == "":
		tried = "guide-untried"
	}
	page.Title, page.About = told(title), []string{told(tried)}
	if level != "" && level != releve.HighAvailability {
		page.About = append(page.About, words.Text(s.lang(), "guide-level", "level", words.Level(s.lang(), level), "standby", site.Standby))
	}
	for _, t := range pbx.Topics() {
		page.Topics = append(page.Topics, s.guideTopic(p, t, told))
	}
	for _, f := range p.Files {
		page.Files = append(page.Files, guideFile{f.Name, f.Fill(site)})
	}
	for _, set := range p.Settings {
		page.Settings = append(page.Settings, guideSetting{set.Key, set.Value, guideNote{told(set.Why), s.source(set.Source)}})
	}
	for _, kin := range p.Kin {
		k := guideKin{Title: told(kin.Title), Text: told(kin.About)}
		for _, step := range kin.Steps {
			k.Steps = append(k.Steps, told(step))
		}
		page.Kin = append(page.Kin, k)
	}
	page.Look = append(page.Look, "releve check -c main.toml", "releve check --calls -c main.toml", "releve status -c main.toml")
	return page
}

func (s *settings) guideTopic(p pbx.Profile, t pbx.Topic, told func(string) string) guideTopic {
	topic := guideTopic{Title: told(t.Title()), Text: told(t.Code())}
	for _, n := range p.Of(t) {
		topic.Notes = append(topic.Notes, guideNote{told(n.Code), s.source(n.Source)})
	}
	if len(topic.Notes) == 0 && p.Type != pbx.Generic {
		topic.Notes = []guideNote{{Text: told("guide-silent")}}
	}
	return topic
}

func (s *settings) source(from pbx.Source) string {
	return words.Text(s.lang(), "guide-source-"+string(from.Kind), "where", from.Where)
}

func (s *settings) guideValues(site pbx.Site) []guideValue {
	about := func(code, value string) guideValue { return guideValue{words.Text(s.lang(), code), value} }
	return []guideValue{
		about("guide-value-pbx", site.PBX+"; "+site.Domain),
		about("guide-value-servers", site.MainSIP+", "+site.SecondarySIP),
		about("guide-value-rtp", fmt.Sprintf("%d–%d", site.RTPFirst, site.RTPLast)),
		about("guide-value-number", site.Number),
		about("guide-value-users", site.Reception+", "+site.Standby),
		about("guide-value-expires", fmt.Sprintf("%.0f s", site.Expires.Seconds())),
		about("guide-value-codes", fmt.Sprintf("%d, %d", site.Refusal, site.Busy)),
		about("guide-value-plan", strings.Join(site.Extensions, ", ")),
	}
}

// guideText is a page as Markdown, which a terminal shows as well.
func (s *settings) guideText(p guidePage) string {
	var b strings.Builder
	heading := func(marks, text string) { fmt.Fprintf(&b, "\n%s %s\n\n", marks, text) }
	told := func(code string) string { return words.Text(s.lang(), code, "name", p.Name, "type", string(p.Type)) }
	fmt.Fprintf(&b, "# %s\n\n%s\n", p.Title, strings.Join(p.About, "\n\n"))
	heading("##", told("guide-values"))
	b.WriteString("| | |\n|---|---|\n")
	for _, v := range p.Values {
		fmt.Fprintf(&b, "| %s | %s |\n", v.What, v.Value)
	}
	for i, t := range p.Topics {
		heading("##", fmt.Sprintf("%d. %s", i+1, t.Title))
		fmt.Fprintln(&b, t.Text)
		for _, n := range t.Notes {
			fmt.Fprintf(&b, "\n- %s\n", n.written())
		}
	}
	heading("##", told("guide-settings"))
	b.WriteString(s.settingsText(p, told))
	if len(p.Files) > 0 {
		heading("##", told("guide-files"))
		fmt.Fprintln(&b, told("guide-files-read"))
	}
	for _, f := range p.Files {
		heading("###", f.Name)
		fmt.Fprintf(&b, "```\n%s```\n", f.Text)
	}
	for _, kin := range p.Kin {
		heading("##", kin.Title)
		fmt.Fprintf(&b, "%s\n\n", kin.Text)
		for i, step := range kin.Steps {
			fmt.Fprintf(&b, "%d. %s\n", i+1, step)
		}
	}
	heading("##", told("guide-look"))
	fmt.Fprintf(&b, "```\n%s\n```\n\n%s\n", strings.Join(p.Look, "\n"), told("guide-look-read"))
	return b.String()
}

func (s *settings) settingsText(p guidePage, told func(string) string) string {
	if len(p.Settings) == 0 {
		return fmt.Sprintln(told("guide-settings-none"))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n| %s | %s | %s |\n|---|---|---|\n", told("guide-settings-read"), told("guide-setting"), told("guide-value"), told("guide-why"))
	for _, set := range p.Settings {
		fmt.Fprintf(&b, "| `%s` | `%s` | %s |\n", set.Key, set.Value, set.written())
	}
	return b.String()
}

func (n guideNote) written() string {
	if n.Source == "" {
		return n.Text
	}
	return n.Text + " *(" + n.Source + ")*"
}
