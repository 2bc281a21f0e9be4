package odoo

import "sync"

// memo keeps what was found out once; a failure is asked again.
type memo[T any] struct {
	mu   sync.Mutex
	have bool
	v    T
}

func (m *memo[T]) get(ask func() (T, error)) (T, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.have {
		return m.v, nil
	}
	v, err := ask()
	if err == nil {
		m.v, m.have = v, true
	}
	return v, err
}
