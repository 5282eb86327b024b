package console_test

import (
	"encoding"
	"reflect"
	"strings"
	"time"
)

// schemas are JSON schemas (2020-12) of what programs are answered with, made of the types that are written out: each
// struct has its own under its name.
type schemas map[string]any

// ref is the schema of a type.
func (s schemas) ref(t reflect.Type) map[string]any {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[time.Duration]():
		return map[string]any{"type": "integer", "description": "nanoseconds"}
	case t.Implements(reflect.TypeFor[encoding.TextMarshaler]()):
		return map[string]any{"type": "string"}
	}
	switch t.Kind() {
	case reflect.Pointer:
		return s.ref(t.Elem())
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return map[string]any{"type": "string", "contentEncoding": "base64"}
		}
		return map[string]any{"type": []string{"array", "null"}, "items": s.ref(t.Elem())} // an empty one may be written as null
	case reflect.Map:
		return map[string]any{"type": []string{"object", "null"}, "additionalProperties": s.ref(t.Elem())}
	case reflect.Struct:
		return s.named(t)
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Interface:
		return map[string]any{}
	default:
		return map[string]any{"type": "integer"}
	}
}

func (s schemas) named(t reflect.Type) map[string]any {
	if _, known := s[t.Name()]; !known {
		properties := map[string]any{}
		own := map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
		s[t.Name()] = own // before its fields: one of them may hold it
		if required := s.fields(t, properties); len(required) > 0 {
			own["required"] = required
		}
	}
	return map[string]any{"$ref": "#/components/schemas/" + t.Name()}
}

// fields are those of a struct and of what is embedded in it; required are those that are always written.
func (s schemas) fields(t reflect.Type, into map[string]any) (required []string) {
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
			continue
		case f.Anonymous && name == "":
			required = append(required, s.fields(f.Type, into)...)
			continue
		case name == "":
			name = f.Name
		}
		into[name] = s.ref(f.Type)
		if !strings.Contains(options, "omit") {
			required = append(required, name)
		}
	}
	return required
}
