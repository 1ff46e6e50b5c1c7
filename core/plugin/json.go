package plugin

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/jail-sandbox/jail/core/step"
)

// DecodeContribution reads a contribution strictly: an unknown field, kind or type is an error, and so is anything
// after it. A planner that knows more than this core is refused, never half understood.
func DecodeContribution(data []byte) (c Contribution, err error) {
	if err := strict(data, &c); err != nil {
		return Contribution{}, err
	}
	return c, nil
}

type itemJSON struct {
	Key  []string        `json:"key,omitempty"`
	Step json.RawMessage `json:"step"`
}

// MarshalJSON writes the step as step.Encode does.
func (it Item) MarshalJSON() ([]byte, error) {
	if it.Step == nil {
		return nil, errors.New("item without a step")
	}
	s, err := step.Encode(it.Step)
	if err != nil {
		return nil, err
	}
	return json.Marshal(itemJSON{it.Key, s})
}

// UnmarshalJSON is the strict reverse.
func (it *Item) UnmarshalJSON(data []byte) error {
	var j itemJSON
	if err := strict(data, &j); err != nil {
		return err
	}
	s, err := step.Decode(j.Step)
	if err != nil {
		return err
	}
	*it = Item{Key: j.Key, Step: s}
	return nil
}

func strict(data []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("more than one JSON value")
	}
	return nil
}
