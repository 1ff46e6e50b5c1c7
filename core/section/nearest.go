package section

import "strings"

// Nearest is the known word that a misspelt one most likely means, or empty when none is near: about one wrong letter
// in four, where two letters that changed places are one. Of equally near words it is the first.
func Nearest(word string, known []string) string {
	best, least := "", len(word)
	for _, k := range known {
		if most := (max(len(word), len(k)) + 2) / 4; abs(len(word)-len(k)) > max(1, most) {
			continue // also keeps a 4 KiB word from being compared at all
		} else if d := distance(strings.ToLower(word), strings.ToLower(k)); d <= max(1, most) && d < least {
			best, least = k, d
		}
	}
	return best
}

// distance is the optimal string alignment distance: inserted, left out, wrong or exchanged bytes.
func distance(a, b string) int {
	var before []int // the row before the last one
	last := make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row := make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+differs(a[i-1], b[j-1]))
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

func differs(a, b byte) int {
	if a == b {
		return 0
	}
	return 1
}

func abs(n int) int { return max(n, -n) }
