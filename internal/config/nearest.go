package config

// Nearest returns the candidate that differs from a word in the fewest letters, or "" if there is none
// that resembles it. It is for messages about names that nobody knows.
func Nearest(word string, candidates []string) string {
	best, least := "", 0
	for _, candidate := range candidates {
		d := distance(word, candidate)
		if best == "" || d < least {
			best, least = candidate, d
		}
	}
	if best == "" || least > max(len(word), len(best))/2 {
		return ""
	}
	return best
}

// distance is the number of letters to insert, delete or replace to get from one word to the other
// (Levenshtein's).
func distance(a, b string) int {
	previous := make([]int, len(b)+1)
	for j := range previous {
		previous[j] = j
	}
	for i := range len(a) {
		current := make([]int, len(b)+1)
		current[0] = i + 1
		for j := range len(b) {
			change := previous[j]
			if a[i] != b[j] {
				change++
			}
			current[j+1] = min(change, previous[j+1]+1, current[j]+1)
		}
		previous = current
	}
	return previous[len(b)]
}
