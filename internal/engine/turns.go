package engine

import goruntime "runtime"

// turns lets the connections that are ready go first, before a read that would find
// nothing yet: by the time it is the reader's turn the bytes have often come, and neither
// that read nor a wait is needed. Go looks for new bytes when nobody is ready, and
// therefore everybody has to wait properly now and then: who has always just been served
// would be served again while others are not.
type turns uint8

func (t *turns) yield() {
	if *t = (*t + 1) % turnsInARow; *t != 0 {
		goruntime.Gosched()
	}
}

const turnsInARow = 4
