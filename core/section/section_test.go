package section_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/jail-sandbox/jail/core/section"
	"github.com/jail-sandbox/jail/core/step"
)

func TestParseSize(t *testing.T) {
	for s, want := range map[string]section.Size{"0": 0, "4096": 4096, "512B": 512, "64KiB": 64 << 10, "16MiB": 16 << 20,
		"1GiB": 1 << 30, "2TiB": 2 << 40, "9223372036854775807": math.MaxInt64, "8388607TiB": 8388607 << 40} {
		if got, err := section.ParseSize(s); got != want || err != nil {
			t.Errorf("%s: %d %v, want %d", s, got, err, want)
		}
	}
	for s, want := range map[string]string{
		"":                    `like "16MiB"`,
		"MiB":                 `like "16MiB"`,
		"-1MiB":               `like "16MiB"`,
		"+1":                  `like "16MiB"`,
		" 1MiB":               `like "16MiB"`,
		"16MB":                `write "16MiB"`,
		"16M":                 `write "16MiB"`,
		"16 mib":              `write "16MiB"`,
		"64k":                 `write "64KiB"`,
		"1MiB\n":              `write "1MiB"`,
		"1.5GiB":              "no fractions",
		"1EiB":                "the units are B, KiB",
		"1\x00":               "the units are B, KiB",
		"1 ":                  "the units are B, KiB",
		"9223372036854775808": "the most is",
		"8388608TiB":          "the most is",
	} {
		got, err := section.ParseSize(s)
		var p step.Problem
		if !errors.As(err, &p) || !strings.HasPrefix(p.Hint, want) || got != 0 {
			t.Errorf("%q: %d %v, want the hint %s", s, got, err, want)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]section.Duration{"1s": 1e9, "250ms": 250e6, "10m": 600e9, "1.5h": 5400e9, "1ns": 1} {
		if got, err := section.ParseDuration(s); got != want || err != nil {
			t.Errorf("%s: %d %v, want %d", s, got, err, want)
		}
	}
	for s, want := range map[string]string{
		"":                  `"" is not a duration (like "1s", "250ms" or "10m")`,
		"1":                 `"1" is not a duration (give a unit: "1s")`,
		"1d":                `"1d" is not a duration (like "1s", "250ms" or "10m")`,
		"0s":                `0s is not more than none (like "1s", "250ms" or "10m")`,
		"0.1ns":             `0.1ns is not more than none (like "1s", "250ms" or "10m")`,
		"-1s":               `-1s is not more than none (like "1s", "250ms" or "10m")`,
		"1e9s":              `"1e9s" is not a duration (like "1s", "250ms" or "10m")`,
		"9999999999999999h": `"9999999999999999h" is not a duration (like "1s", "250ms" or "10m")`,
	} {
		if got, err := section.ParseDuration(s); err == nil || err.Error() != want || got != 0 {
			t.Errorf("%q: %d %v, want %s", s, got, err, want)
		}
	}
}

// Every size and duration says itself in words that read back as the same.
func FuzzUnits(f *testing.F) {
	for _, n := range []int64{0, 1, 1000, 1 << 20, 600e9, 3600e9, 3660e9, 36000e9, math.MaxInt64} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n int64) {
		if n < 0 {
			return
		}
		if got, err := section.ParseSize(section.Size(n).String()); int64(got) != n || err != nil {
			t.Errorf("size %d: %v %v", n, got, err)
		}
		if got, err := section.ParseDuration(section.Duration(n).String()); n > 0 && (int64(got) != n || err != nil) {
			t.Errorf("duration %d: %v %v", n, got, err)
		}
	})
}

func TestDurationString(t *testing.T) {
	for d, want := range map[section.Duration]string{600e9: "10m", 3600e9: "1h", 3610e9: "1h0m10s", 36000e9: "10h", 1e6: "1ms"} {
		if got := d.String(); got != want {
			t.Errorf("%d: %s, want %s", d, got, want)
		}
	}
}

func TestNearest(t *testing.T) {
	known := []string{"mode", "share_host_network", "rw", "tmpfs", "proc", "processes"}
	for word, want := range map[string]string{
		"mdoe": "mode", "MODE": "mode", "mod": "mode", "share_host_netwrok": "share_host_network", "tmp": "", "prox": "proc",
		"process": "processes", "sharehostnetwork": "share_host_network", "wr": "rw", "x": "", "": "", "xyz": "",
		strings.Repeat("m", 1<<20): "",
	} {
		if got := section.Nearest(word, known); got != want {
			t.Errorf("%.40s: %q, want %q", word, got, want)
		}
	}
}

func TestSchema(t *testing.T) {
	const want = `{"$schema":"https://json-schema.org/draft/2020-12/schema","additionalProperties":false,"properties":{` +
		`"at":{"additionalProperties":{},"type":"object"},` +
		`"inner":{"additionalProperties":false,"properties":{"deep":{"type":"boolean"}},"type":"object"},` +
		`"list":{"items":{"type":"string"},"type":"array"},` +
		`"mode":{"description":"what there is","type":"string"},` +
		`"share_host_network":{"type":"boolean"},` +
		`"shared":{"type":"string"},` +
		`"size":{"description":"of the root","minimum":0,"pattern":"^[0-9]+(B|KiB|MiB|GiB|TiB)?$","type":["string","integer"]},` +
		`"small":{"type":"integer"},` +
		`"uid":{"type":"integer"},` +
		`"wait":{"description":"a duration: 250ms, 1s, 10m, 1.5h","pattern":"^\\+?([0-9]*\\.?[0-9]*(ns|us|µs|μs|ms|s|m|h))+$","type":"string"}` +
		`},"type":"object"}`
	got := section.Schema(new(example))
	if string(got) != want || !json.Valid(got) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
