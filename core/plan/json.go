package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/jail-sandbox/jail/core/step"
)

type fileJSON struct {
	Format      string      `json:"format"`
	Profile     string      `json:"profile"`
	Fingerprint string      `json:"fingerprint"`
	Namespaces  []string    `json:"namespaces"`
	Warnings    []string    `json:"warnings,omitempty"`
	Steps       []entryJSON `json:"steps"`
}

type entryJSON struct {
	Owner string          `json:"owner"`
	At    string          `json:"at,omitempty"`
	Step  json.RawMessage `json:"step"`
}

// Encode gives a plan's JSON form, indented, with a newline at the end.
func (p *Plan) Encode() ([]byte, error) {
	f := fileJSON{Format: Format, Profile: p.Profile, Fingerprint: p.Fingerprint(), Namespaces: p.Namespaces, Warnings: p.Warnings}
	for _, e := range p.Entries {
		s, err := step.Encode(e.Step)
		if err != nil {
			return nil, err
		}
		f.Steps = append(f.Steps, entryJSON{e.Owner, e.At, s})
	}
	out, err := json.MarshalIndent(f, "", "  ")
	return append(out, '\n'), err
}

// Decode reads a plan's JSON form, strictly, and checks the plan: an unknown field, a foreign format, a step that its
// owner may not return, a missing one or a fingerprint that does not fit is an error.
func Decode(data []byte) (*Plan, error) {
	var f fileJSON
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return nil, fmt.Errorf("plan: %w", err)
	}
	if d.More() {
		return nil, fmt.Errorf("plan: there is more after its end")
	}
	if f.Format != Format {
		return nil, fmt.Errorf(`plan: format is "%s", this jail reads "%s"`, step.Quote(f.Format), Format)
	}
	p := &Plan{Profile: f.Profile, Namespaces: f.Namespaces, Warnings: f.Warnings}
	for i, e := range f.Steps {
		s, err := step.Decode(e.Step)
		if err != nil {
			return nil, fmt.Errorf("plan: step %d: %w", i+1, err)
		}
		p.Entries = append(p.Entries, Entry{e.Owner, e.At, s})
	}
	if problems := p.Check(); problems != nil {
		return nil, step.Problems(problems)
	}
	if got := p.Fingerprint(); got != f.Fingerprint {
		return nil, fmt.Errorf(`plan: fingerprint is "%s", its steps give %s`, step.Quote(f.Fingerprint), got)
	}
	return p, nil
}

// Fingerprint is "sha256:" and the digest of what the plan does: namespaces, owners and steps. The profile's name and
// the places in it do not count, so a comment or a new name changes nothing.
func (p *Plan) Fingerprint() string {
	if p.fingerprint == "" {
		p.fingerprint = p.digest()
	}
	return p.fingerprint
}

// SetFingerprint spares a plan out of the cache the computation; it was made with the entry, and is under its digest.
func (p *Plan) SetFingerprint(f string) { p.fingerprint = f }

func (p *Plan) digest() string {
	h := sha256.New()
	enc := json.NewEncoder(h)
	enc.Encode(Format)
	enc.Encode(p.Namespaces)
	for _, e := range p.Entries {
		s, err := step.Encode(e.Step)
		if err != nil {
			panic("plan: a step without a JSON form: " + err.Error())
		}
		enc.Encode(entryJSON{Owner: e.Owner, Step: s})
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}
