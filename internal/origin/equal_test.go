package origin

// Equal reports whether both languages have the same texts.
func Equal(a, b *Language) (bool, error) {
	if ok, err := Subset(a, b); !ok {
		return false, err
	}
	return Subset(b, a)
}
