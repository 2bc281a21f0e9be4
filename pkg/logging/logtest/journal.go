// Package logtest keeps log output in memory, for tests that read it.
package logtest

import (
	"bytes"
	"sync"
)

// Journal is a log in memory. It is safe for concurrent use, and its zero value is ready for use.
type Journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write appends b to the log. It never fails.
func (j *Journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(b)
}

// String returns everything written so far.
func (j *Journal) String() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.String()
}
