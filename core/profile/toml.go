package profile

import (
	"bytes"

	"github.com/BurntSushi/toml"
)

// TOML is the profile with all that it extends, as one file that extends nothing. Loaded alone it means the same.
func (p *Profile) TOML() string {
	merged := map[string]any{}
	for _, f := range p.files {
		merged = merge(merged, f.table)
	}
	delete(merged, "extends")
	var b bytes.Buffer
	enc := toml.NewEncoder(&b)
	enc.Indent = ""
	if err := enc.Encode(merged); err != nil {
		panic("profile: bug: " + err.Error())
	}
	return b.String()
}
