package profile

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/jail-sandbox/jail/core/section"
	"github.com/jail-sandbox/jail/core/step"
)

// limits are the values of [limits] and [limits.process] by name, in the units of step.LimitNames and step.RlimitNames.
type limits struct {
	jail    map[string]step.Limit
	process map[string]int64
}

// UnmarshalJSON takes the keys that those tables list, which is why no struct lists them here.
func (l *limits) UnmarshalJSON(raw []byte) error {
	l.jail, l.process = map[string]step.Limit{}, map[string]int64{}
	jail := map[string]decoder{"process": l.decodeProcess}
	names := []string{"process"}
	for _, row := range step.LimitNames {
		names = append(names, row.Name)
		jail[row.Name] = func(raw []byte) []step.Problem { return l.decodeLimit(row.Name, row.Unit, row.Met, raw) }
	}
	if ps := decodeTable(raw, names, jail); len(ps) > 0 {
		return step.Problems(ps)
	}
	return nil
}

func (l *limits) decodeProcess(raw []byte) []step.Problem {
	process := map[string]decoder{}
	var names []string
	for _, row := range step.RlimitNames {
		names = append(names, row.Name)
		process[row.Name] = func(raw []byte) []step.Problem { return l.decodeRlimit(row.Name, row.Unit, raw) }
	}
	return decodeTable(raw, names, process)
}

// A decoder takes the value of one key.
type decoder func(raw []byte) []step.Problem

// decodeTable is section.Decode for a table whose keys are known only as data.
func decodeTable(raw []byte, names []string, by map[string]decoder) []step.Problem {
	var entries map[string]json.RawMessage
	ps := section.Decode(raw, &entries)
	for _, name := range slices.Sorted(maps.Keys(entries)) {
		decode, ok := by[name]
		if !ok {
			ps = append(ps, section.UnknownKey(name, names))
			continue
		}
		for _, p := range decode(entries[name]) {
			p.Key = append([]string{name}, p.Key...)
			ps = append(ps, p)
		}
	}
	return ps
}

func (l *limits) decodeLimit(name, unit string, met bool, raw []byte) []step.Problem {
	limit := step.Limit{Name: name}
	var ps []step.Problem
	if name == "stdout" || name == "stderr" {
		limit.Value, limit.Over, ps = output(raw)
	} else {
		limit.Value, ps = amount(unit, raw)
	}
	if !met {
		return append(ps, step.Problem{Text: "this version does not enforce " + name, Hint: unmetHint()})
	}
	if len(ps) > 0 {
		return ps
	}
	if err := limit.Check(); err != nil {
		return []step.Problem{{Text: err.Error()}}
	}
	l.jail[name] = limit
	return nil
}

// unmetHint names the limits that there are.
func unmetHint() string {
	hint := "leave it out; enforced are [limits.process]"
	for _, row := range step.LimitNames {
		if row.Met {
			hint += ", " + row.Name
		}
	}
	return hint
}

func (l *limits) decodeRlimit(name, unit string, raw []byte) (ps []step.Problem) {
	if string(raw) == `"unlimited"` {
		l.process[name] = step.Unlimited
		return nil
	}
	value, ps := amount(unit, raw)
	switch {
	case len(ps) > 0:
		return ps
	case value < 0:
		return []step.Problem{{Text: fmt.Sprintf("is %d, less than none", value), Hint: `for no limit write "unlimited"`}}
	case unit == "time" && value%int64(time.Second) != 0:
		return []step.Problem{{Text: section.Duration(value).String() + " is no whole number of seconds, which this limit counts"}}
	case unit == "time":
		value /= int64(time.Second)
	}
	l.process[name] = value
	return nil
}

// amount reads a value in a unit of step.LimitNames.
func amount(unit string, raw []byte) (int64, []step.Problem) {
	switch unit {
	case "time":
		return decodeInt[section.Duration](raw)
	case "size":
		return decodeInt[section.Size](raw)
	}
	return decodeInt[int64](raw)
}

func decodeInt[T ~int64](raw []byte) (int64, []step.Problem) {
	var v T
	ps := section.Decode(raw, &v)
	return int64(v), ps
}

// output reads how much of a stream is taken: a size, or a table that also says what happens past it.
func output(raw []byte) (most int64, over string, ps []step.Problem) {
	if raw[0] != '{' {
		most, ps = amount("size", raw)
		return most, step.OverKill, ps
	}
	o := struct {
		Max  *section.Size `json:"max"`
		Over string        `json:"over"`
	}{Over: step.OverKill}
	ps = section.Decode(raw, &o)
	if o.Over != step.OverKill && o.Over != step.OverTruncate {
		ps = append(ps, step.Problem{Key: []string{"over"}, Text: `"` + step.Quote(o.Over) + `" is neither "kill" nor "truncate"`})
	}
	if o.Max == nil {
		return 0, o.Over, append(ps, step.Problem{Text: "has no max", Hint: `like { max = "64MiB", over = "truncate" }`})
	}
	return int64(*o.Max), o.Over, ps
}

// inOrder makes the steps, in the order of the tables of names.
func inOrder(jail map[string]step.Limit, process map[string]int64) (ls []step.Limit, rs []step.Rlimit) {
	for _, row := range step.LimitNames {
		if limit, ok := jail[row.Name]; ok {
			ls = append(ls, limit)
		}
	}
	for _, row := range step.RlimitNames {
		if value, ok := process[row.Name]; ok {
			rs = append(rs, step.Rlimit{Name: row.Name, Value: value})
		}
	}
	return ls, rs
}
