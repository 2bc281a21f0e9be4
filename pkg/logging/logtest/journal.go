// Package logtest keeps what a program logs, for tests that look into it.
package logtest

import (
	"bytes"
	"sync"
)

// Journal is a log that may be read while it is written. The zero value is ready for use.
type Journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends to the log.
func (j *Journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

// String is all that was written so far.
func (j *Journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}
