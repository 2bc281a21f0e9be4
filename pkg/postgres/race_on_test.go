//go:build race

package postgres_test

// The race detector slows everything down; fewer requests then make the same point.
const requests = 1500
