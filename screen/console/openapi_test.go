package console_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"releve"
	"releve/screen/console"
	"releve/screen/console/gallery"
	"releve/screen/view"
)

var write = flag.Bool("write", false, "write openapi.json anew")

// described is what may be asked over the network, as openapi.json has it.
var described = []struct {
	path, name, what string
	asks             []parameter
	answers          any // nil: a text
	login            bool
}{
	{"/api/site", "site", "The site as this server knows it: the word, both servers, the mirror, alarms and events. Without a login no person is named.", nil, view.Site{}, false},
	{"/api/calls", "calls", "The latest calls, the newest first.", []parameter{{"limit", "integer", "how many; 50 where nothing is said, 10000 at most", false}}, []releve.Call{}, true},
	{"/api/alarms/history", "alarmHistory", "An alarm with what happened to it, also for thirty days after it was dealt with.", []parameter{{"alarm", "string", "its name, as the site has it", true}}, view.AlarmStory{}, false},
	{"/api/arbiter", "arbiter", "By what the site decides.", nil, view.Arbiter{}, false},
	{"/api/stored", "stored", "Each record after its commit was acknowledged, a JSON line each, for an outside ledger; an empty line now and then.", nil, nil, false},
	{"/api/openapi.json", "openapi", "This description.", nil, nil, false},
	{"/metrics", "metrics", "The numbers of docs/monitoring.md, as Prometheus reads them.", nil, nil, false},
	{"/-/healthy", "healthy", "200: the program runs.", nil, nil, false},
	{"/-/ready", "ready", "200: its database, its page and its telephone serve; 503 while one is down, starts or is not known.", nil, nil, false},
	{"/-/active", "active", "200 on the server on duty, 503 on another.", nil, nil, false},
	{"/-/standby", "standby", "200 on the standby, 503 on another.", nil, nil, false},
}

type parameter struct {
	name, kind, what string
	required         bool
}

type object = map[string]any

// problemSchema is RFC 9457.
var problemSchema = object{"type": "object", "required": []string{"type", "title", "status"}, "properties": object{
	"type":  object{"type": "string", "description": "urn:releve: and the kind: what a program tells apart"},
	"title": object{"type": "string"}, "status": object{"type": "integer"}, "detail": object{"type": "string"},
}}

// openAPI is the description (OpenAPI 3.1) of all that.
func openAPI() object {
	all := schemas{"problem": problemSchema}
	paths := object{}
	for _, d := range described {
		content := object{"text/plain": object{"schema": object{"type": "string"}}}
		if d.answers != nil {
			content = object{"application/json": object{"schema": all.ref(reflect.TypeOf(d.answers))}}
		}
		asked := []object{}
		for _, p := range d.asks {
			asked = append(asked, object{"name": p.name, "in": "query", "required": p.required, "description": p.what, "schema": object{"type": p.kind}})
		}
		get := object{"operationId": d.name, "summary": d.what, "parameters": asked, "responses": object{
			"200":     object{"description": "what was asked", "content": content},
			"default": object{"description": "why not", "content": object{"application/problem+json": object{"schema": object{"$ref": "#/components/schemas/problem"}}}},
		}}
		if d.login {
			get["security"] = []object{{"session": []string{}}}
		}
		paths[d.path] = object{"get": get}
	}
	return object{
		"openapi": "3.1.0", "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
		"info":  object{"title": "Relève", "version": "1", "description": "What a program may ask either server over the network. Orders are given on the machine itself and on the pages."},
		"paths": paths,
		"components": object{"schemas": all, "securitySchemes": object{
			"session": object{"type": "apiKey", "in": "cookie", "name": "__Host-releve", "description": "of a login at /login, over TLS"},
		}},
	}
}

// The file says what the types of the answers say. Written anew: go test ./screen/console -run OpenAPI -args -write
func TestTheOpenAPIIsWhatIsAnswered(t *testing.T) {
	var want bytes.Buffer
	e := json.NewEncoder(&want)
	e.SetEscapeHTML(false)
	e.SetIndent("", " ")
	if err := e.Encode(openAPI()); err != nil {
		t.Fatal(err)
	}
	if *write {
		if err := os.WriteFile("openapi.json", want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile("openapi.json"); err != nil || string(got) != want.String() {
		t.Errorf("openapi.json is of other answers (%v): write it anew, go test ./screen/console -run OpenAPI -args -write", err)
	}
}

// Each address that the source serves to programs over the network is described, and no other.
func TestEveryAddressIsDescribed(t *testing.T) {
	source, err := os.ReadFile("api.go")
	if err != nil {
		t.Fatal(err)
	}
	_, routes, _ := strings.Cut(string(source), "func (s *Server) apiRoutes(")
	routes, _, _ = strings.Cut(routes, "\n}\n")
	var served, known []string
	for _, found := range regexp.MustCompile(`"GET (/[^"]+)"`).FindAllStringSubmatch(routes, -1) {
		served = append(served, found[1])
	}
	for _, d := range described {
		known = append(known, d.path)
	}
	slices.Sort(served)
	slices.Sort(known)
	if !slices.Equal(served, known) {
		t.Errorf("served are %v\ndescribed  %v", served, known)
	}
}

// Real answers, of sites in every state of the gallery, are as the description that is served says.
func TestRealAnswersAreAsDescribed(t *testing.T) {
	for _, state := range gallery.States(time.Now()) {
		t.Run(state.Name, func(t *testing.T) {
			var n nurse
			server := served(t, newSite(t, state.Name), console.Options{Alarms: &n})
			base := "http://" + server.Address()
			response, text := ask(t, "GET", base+"/api/openapi.json")
			document, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			if err != nil || response.Header.Get("Content-Type") != "application/json" {
				t.Fatalf("%v: %.200s", err, text)
			}
			compiler := jsonschema.NewCompiler()
			if err := compiler.AddResource("releve:openapi", document); err != nil {
				t.Fatal(err)
			}
			for _, d := range described {
				if d.answers == nil {
					continue
				}
				for query, status := range map[string]string{"?alarm=takeover": "200", "?alarm=nothing&limit=none": "default"} {
					response, body := ask(t, "GET", base+d.path+query)
					if (response.StatusCode == http.StatusOK) != (status == "200") && len(d.asks) == 0 {
						status = "200" // it asks nothing
					}
					kind, _, _ := strings.Cut(response.Header.Get("Content-Type"), ";")
					at := "releve:openapi#/paths/" + strings.ReplaceAll(d.path, "/", "~1") + "/get/responses/" + status + "/content/" + strings.ReplaceAll(kind, "/", "~1") + "/schema"
					schema, err := compiler.Compile(strings.ReplaceAll(at, "+", "%2B"))
					if err != nil {
						t.Fatalf("%s%s answers %s: %v", d.path, query, response.Status, err)
					}
					answer, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
					if err == nil {
						err = schema.Validate(answer)
					}
					if err != nil {
						t.Errorf("%s%s: %v\n%.500s", d.path, query, err, body)
					}
				}
			}
		})
	}
}
