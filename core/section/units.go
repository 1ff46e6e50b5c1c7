package section

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/jail-sandbox/jail/core/step"
)

// Size is a number of bytes: "16MiB" or a whole number.
type Size int64

// units are a size's, each 1024 times the one before.
var units = []string{"B", "KiB", "MiB", "GiB", "TiB"}

// ParseSize reads 512B, 64KiB, 16MiB, 1GiB, 2TiB or a whole number of bytes. Its errors are step.Problem.
func ParseSize(s string) (Size, error) {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	number, unit := s[:digits], s[digits:]
	if number == "" {
		return 0, notSize(s, `like "16MiB", or a whole number of bytes`)
	}
	factor, ok := factorOf(unit)
	if !ok {
		return 0, notSize(s, sizeHint(number, unit))
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n > math.MaxInt64/factor {
		return 0, step.Problem{Text: step.Quote(s) + " is too large", Hint: "the most is 8388607TiB"}
	}
	return Size(n * factor), nil
}

func notSize(s, hint string) error {
	return step.Problem{Text: `"` + step.Quote(s) + `" is not a size`, Hint: hint}
}

func factorOf(unit string) (int64, bool) {
	factor := int64(1)
	for _, u := range units {
		if unit == u || unit == "" {
			return factor, true
		}
		factor *= 1024
	}
	return 0, false
}

// sizeHint says what a wrong unit probably means: 16MB, 16M and 16 mib are 16MiB.
func sizeHint(number, unit string) string {
	letter := strings.ToUpper(strings.TrimSpace(unit))
	for _, u := range units {
		if letter != "" && letter[0] == u[0] {
			return fmt.Sprintf(`write "%s%s": the units are %s`, number, u, strings.Join(units, ", "))
		}
	}
	if unit[0] == '.' {
		return "no fractions: take the next smaller unit"
	}
	return "the units are " + strings.Join(units, ", ")
}

// String is the size in the largest unit that divides it.
func (s Size) String() string { return step.Bytes(int64(s)) }

// MarshalText writes what UnmarshalJSON reads.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalJSON takes a string as ParseSize does, or a whole number of bytes.
func (s *Size) UnmarshalJSON(raw []byte) (err error) {
	switch kindOf(raw) {
	case "a string", "a whole number":
		*s, err = ParseSize(text(raw))
		return err
	}
	return step.Problem{Text: "is " + kindOf(raw) + ", a size is wanted", Hint: `like "16MiB"`}
}

// Duration is a time in nanoseconds, more than none: "250ms".
type Duration int64

// ParseDuration reads what time.ParseDuration does, if it is more than none. Its errors are step.Problem.
func ParseDuration(s string) (Duration, error) {
	d, err := time.ParseDuration(s)
	if err == nil && d > 0 {
		return Duration(d), nil
	}
	p := step.Problem{Text: `"` + step.Quote(s) + `" is not a duration`, Hint: `like "1s", "250ms" or "10m"`}
	switch {
	case err == nil:
		p.Text = step.Quote(s) + " is not more than none"
	case s != "" && strings.Trim(s, "0123456789") == "":
		p.Hint = fmt.Sprintf(`give a unit: "%ss"`, s)
	}
	return 0, p
}

// String is the duration as ParseDuration takes it, without units that are zero: 10m, not 10m0s.
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText writes what UnmarshalJSON reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalJSON takes a string as ParseDuration does. A bare number is refused: of what, nobody could see.
func (d *Duration) UnmarshalJSON(raw []byte) (err error) {
	switch kindOf(raw) {
	case "a string":
		*d, err = ParseDuration(text(raw))
		return err
	case "a whole number":
		return step.Problem{Text: "is a number without a unit", Hint: fmt.Sprintf(`give a unit: "%ss"`, raw)}
	}
	return step.Problem{Text: "is " + kindOf(raw) + ", a duration is wanted", Hint: `like "1s"`}
}

// text is what a JSON string says, or a number as it is written.
func text(raw []byte) string {
	if raw[0] != '"' {
		return string(raw)
	}
	var s string
	must(json.Unmarshal(raw, &s))
	return s
}
