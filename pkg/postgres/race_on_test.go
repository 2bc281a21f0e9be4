//go:build race

package postgres_test

// requests is smaller than without the race detector, which makes each request slower.
const requests = 1500
