package fetch

// Preflighted tells that at least one preflight went out.
func (r *Result) Preflighted() bool {
	for _, x := range r.Exchanges {
		if x.Request.Preflight {
			return true
		}
	}
	return false
}
