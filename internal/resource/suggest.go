package resource

import (
	"fmt"
	"strings"
)

// didYouMean returns "; did you mean …?" with the name nearest to what was
// written, or "" when none is near.
func didYouMean(written string, names []string) string {
	best, bestDistance := "", len(written)/3+2
	for _, name := range names {
		d := distance(strings.ToLower(written), strings.ToLower(name), bestDistance)
		if d < bestDistance {
			best, bestDistance = name, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

// distance is the Levenshtein distance of two words, or limit when it is not
// below that. The limit keeps a long written key from costing anything.
func distance(a, b string, limit int) int {
	if abs(len(a)-len(b)) >= limit {
		return limit
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return min(row[len(b)], limit)
}

func abs(n int) int { return max(n, -n) }
