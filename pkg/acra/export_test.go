package acra

import (
	"context"
	"io"
	"time"
)

// DecodeOnly runs a CSV through the decoder and throws the batches away.
func DecodeOnly(r io.Reader) error {
	s, err := Stream("bench", r).open(context.Background(), opening{})
	if err != nil {
		return err
	}
	d := newDecoder(s, newFilter(LiveStatuses(), time.Time{}), newSeen(), 1)
	free, full := make(chan *batch, 3), make(chan *batch, 3)
	for range 3 {
		free <- &batch{}
	}
	done := make(chan error, 1)
	go func() { done <- d.run(context.Background(), free, full); close(full) }()
	for b := range full {
		free <- b
	}
	return <-done
}
