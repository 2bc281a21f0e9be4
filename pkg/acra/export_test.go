package acra

import (
	"context"
	"io"
	"time"
)

// DecodeOnly runs a CSV through the reader and one decoder and discards the rows.
func DecodeOnly(source io.Reader) error {
	s, err := Stream("bench", source).open(context.Background(), sourceOptions{})
	if err != nil {
		return err
	}
	free, order, decode := make(chan *batch, 2), make(chan *batch, 2), make(chan *batch, 2)
	r := &reader{stream: s, size: defaultBatch, free: free, order: order, decode: decode}
	for range cap(free) {
		free <- newBatch(r.size)
	}
	go newDecoder(newFilter(LiveStatuses(), time.Time{}), 1).decodeBatches(decode)
	ended := make(chan error, 1)
	go func() {
		ended <- r.readSource(context.Background())
		close(order)
		close(decode)
	}()
	met := newUENSet()
	for b := range order {
		<-b.decoded
		b.markSeen(met)
		free <- b
	}
	return <-ended
}
