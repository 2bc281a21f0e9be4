// Package memo keeps a value that is looked up once, such as a server's version. It knows no time limits and no keys.
package memo

import "sync"

// Value holds the result of the first lookup that succeeded. The zero Value is ready for use, by several goroutines at
// once.
type Value[T any] struct {
	mu   sync.Mutex
	have bool
	v    T
}

// Get returns the kept value, or calls lookup and keeps what it returns. A failed lookup is not kept: the next Get
// tries again.
func (m *Value[T]) Get(lookup func() (T, error)) (T, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.have {
		return m.v, nil
	}
	v, err := lookup()
	if err == nil {
		m.v, m.have = v, true
	}
	return v, err
}
