//go:build !race

package postgres_test

const requests = 10000
