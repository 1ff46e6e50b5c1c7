package step

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Quote makes text safe to show on a terminal: control characters, escapes and bytes that are not UTF-8 are written
// as Go writes them, everything else stays. CVE-2023-28101: names are the profile's or the program's, not ours.
func Quote(s string) string {
	var b strings.Builder
	for i, n := 0, 0; i < len(s); i += n {
		var r rune
		r, n = utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case !unicode.IsPrint(r):
			b.WriteString(strings.Trim(strconv.QuoteRune(r), "'"))
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Bytes writes a size in the largest unit that divides it: 16MiB, 1000B.
func Bytes(n int64) string {
	units := [...]string{"B", "KiB", "MiB", "GiB", "TiB"}
	u := 0
	for n != 0 && n%1024 == 0 && u < len(units)-1 {
		n, u = n/1024, u+1
	}
	return itoa64(n) + units[u]
}

// Nanos writes a time as profiles do: 1s, 250ms.
func Nanos(n int64) string { return time.Duration(n).String() }

func itoa(n int) string     { return strconv.Itoa(n) }
func itoa64(n int64) string { return strconv.FormatInt(n, 10) }

// words joins the words that are not empty.
func words(parts ...string) string {
	var out []string
	for _, p := range parts {
		if p != "" {
			out = append(out, p)
		}
	}
	return strings.Join(out, " ")
}

func when(cond bool, word string) string {
	if cond {
		return word
	}
	return ""
}
