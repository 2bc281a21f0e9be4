package logging

import (
	"io"
	"sync"
	"time"
)

// queueSize is how many bytes of log lines a Queue keeps for a reader that is slower than the process.
const queueSize = 1 << 20

// Queue is a writer that never makes its callers wait: it keeps lines in memory and writes them to w in the background.
// If the reader of w stops reading, is gone, or its disk is full, the Queue drops new lines and counts them, so that a
// log collector cannot stop the requests. It is safe for concurrent use.
type Queue struct {
	w     io.Writer
	wake  chan struct{} // has an element if there are lines or the Queue is closed
	ended chan struct{}

	mu      sync.Mutex
	lines   [][]byte
	size    int // bytes in lines
	closed  bool
	dropped uint64
	told    uint64       // how many of dropped are in the log
	losing  bool         // the latest line was dropped
	report  func(uint64) // logs how many lines are missing
}

// NewQueue returns a Queue that writes to w. Close ends it.
func NewQueue(w io.Writer) *Queue {
	q := &Queue{w: w, wake: make(chan struct{}, 1), ended: make(chan struct{})}
	go q.run()
	return q
}

// Write keeps line for w, or drops it if there is no room. It returns no error, because no caller could act on it.
func (q *Queue) Write(line []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.size+len(line) > queueSize {
		q.dropped, q.losing = q.dropped+1, true
		return len(line), nil
	}
	q.lines, q.size = append(q.lines, append([]byte(nil), line...)), q.size+len(line)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return len(line), nil
}

// Dropped returns how many lines were dropped, and whether lines are being dropped now.
func (q *Queue) Dropped() (lines uint64, now bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped, q.losing
}

// Close writes the lines that are left and ends the Queue. It returns after timeout at the latest.
func (q *Queue) Close(timeout time.Duration) {
	q.mu.Lock()
	if !q.closed {
		q.closed = true
		close(q.wake)
	}
	q.mu.Unlock()
	select {
	case <-q.ended:
	case <-time.After(timeout):
	}
}

func (q *Queue) run() {
	defer close(q.ended)
	for range q.wake {
		for q.writeNext() {
		}
	}
	for q.writeNext() {
	}
}

// writeNext writes the oldest line. It returns false if there is none.
func (q *Queue) writeNext() bool {
	q.mu.Lock()
	if len(q.lines) == 0 {
		q.mu.Unlock()
		return false
	}
	line := q.lines[0]
	q.mu.Unlock()
	_, err := q.w.Write(line)
	q.mu.Lock()
	q.lines, q.size = q.lines[1:], q.size-len(line)
	if q.losing = err != nil; err != nil {
		q.dropped++
	}
	missing, report := q.dropped-q.told, q.report
	if err != nil || len(q.lines) > 0 || report == nil {
		missing = 0
	}
	q.told += missing
	q.mu.Unlock()
	if missing > 0 {
		report(missing)
	}
	return true
}

// reportTo makes the Queue call report with the number of missing lines as soon as its reader has caught up.
func (q *Queue) reportTo(report func(uint64)) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.report = report
}
