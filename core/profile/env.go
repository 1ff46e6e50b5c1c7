package profile

import (
	"fmt"
	"maps"
	"slices"

	"github.com/jail-sandbox/jail/core/section"
	"github.com/jail-sandbox/jail/core/step"
)

type env struct {
	Pass []string          `json:"pass" doc:"variables that keep the caller's value"`
	Set  map[string]string `json:"set" doc:"variables and their values"`
}

// UnmarshalJSON also checks names and values.
func (e *env) UnmarshalJSON(raw []byte) error {
	type plain env
	ps := section.Decode(raw, (*plain)(e))
	for _, name := range e.Pass {
		if err := (step.Env{Name: name}).Check(); err != nil {
			ps = append(ps, step.Problem{Key: []string{"pass"}, Text: err.Error()})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(e.Set)) {
		if err := e.checkSet(name); err != nil {
			ps = append(ps, step.Problem{Key: []string{"set", name}, Text: err.Error()})
		}
	}
	if len(ps) > 0 {
		return step.Problems(ps)
	}
	return nil
}

func (e *env) checkSet(name string) error {
	if slices.Contains(e.Pass, name) {
		return fmt.Errorf("is in pass too: the caller's value or this one?")
	}
	value := e.Set[name]
	return step.Env{Name: name, Value: &value}.Check()
}

// vars are a file's variables by name.
func (e *env) vars() map[string]EnvVar {
	out := map[string]EnvVar{}
	for _, name := range e.Pass {
		out[name] = EnvVar{Name: name, Key: []string{"env", "pass"}}
	}
	for name, value := range e.Set {
		out[name] = EnvVar{Name: name, Value: &value, Key: []string{"env", "set", name}}
	}
	return out
}
