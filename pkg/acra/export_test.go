package acra

import (
	"context"
	"io"
	"time"
)

// DecodeOnly runs a CSV through the reader and one decoder and throws the rows away.
func DecodeOnly(source io.Reader) error {
	s, err := Stream("bench", source).open(context.Background(), opening{})
	if err != nil {
		return err
	}
	free, order, decode := make(chan *batch, 2), make(chan *batch, 2), make(chan *batch, 2)
	r := &reader{stream: s, size: defaultBatch, free: free, order: order, decode: decode}
	for range cap(free) {
		free <- newBatch(r.size)
	}
	go newDecoder(newFilter(LiveStatuses(), time.Time{}), 1).run(decode)
	ended := make(chan error, 1)
	go func() {
		ended <- r.run(context.Background())
		close(order)
		close(decode)
	}()
	met := newSeen()
	for b := range order {
		<-b.decoded
		b.meet(met)
		free <- b
	}
	return <-ended
}
