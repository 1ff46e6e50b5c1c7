package mountns

import (
	"encoding/json"
	"strconv"

	"github.com/jail-sandbox/jail/core/step"
)

// Mode is a file mode, as a string of octal digits. A TOML number would be read as decimal where people write 755.
type Mode uint32

// UnmarshalJSON takes "755" or "0755".
func (m *Mode) UnmarshalJSON(raw []byte) error {
	var s string
	if json.Unmarshal(raw, &s) == nil {
		if n, err := strconv.ParseUint(s, 8, 32); err == nil {
			*m = Mode(n)
			return nil
		}
	}
	return step.Problem{Text: "is " + step.Quote(string(raw)) + ", not a mode", Hint: `a string as chmod takes it: "0755"`}
}

// JSONSchema is what UnmarshalJSON takes.
func (Mode) JSONSchema() json.RawMessage {
	return json.RawMessage(`{"type":"string","pattern":"^[0-7]+$"}`)
}
