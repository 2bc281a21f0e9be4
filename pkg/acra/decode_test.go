package acra

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// decodeAll runs a CSV through reader and decoder, with size records per batch.
func decodeAll(t *testing.T, text []byte, size int) []*batch {
	t.Helper()
	s, err := Stream("t", bytes.NewReader(text)).open(context.Background(), sourceOptions{})
	if err != nil {
		return nil
	}
	room := bytes.Count(text, []byte("\n")) + 2
	free, order, decode := make(chan *batch, room), make(chan *batch, room), make(chan *batch, room)
	for range room {
		free <- newBatch(size)
	}
	r := &reader{stream: s, size: size, free: free, order: order, decode: decode}
	if err := r.readSource(context.Background()); err != nil {
		return nil // not a valid header
	}
	close(order)
	close(decode)
	newDecoder(newFilter(nil, time.Time{}), 7).decodeBatches(decode)
	var list []*batch
	for b := range order {
		list = append(list, b)
	}
	return list
}

// FuzzACRARow: any line becomes a row that COPY accepts or a reject, and none is lost.
func FuzzACRARow(f *testing.F) {
	for _, line := range []string{
		"196800306E,ACRA,DBS BANK LTD.,Local Company", "S99FC5710J,\"A,\"\"B\"\"\",x\\N\\.,\x00",
		"52600000X,\xff\xfe,\u00a0\u2028,=1",
		"52600000X\t,na,\"line\r\nbreak\",16/07/1968", "\"", ",,,,",
	} {
		f.Add([]byte(line))
	}
	header := strings.Join(Columns(), ",") + "\n"
	f.Fuzz(func(t *testing.T, line []byte) {
		whole := append(bytes.Clone(line), strings.Repeat(",na", max(0, 52-bytes.Count(line, []byte(","))))...)
		text := append([]byte(header), whole...)
		var read, out int64
		for _, b := range decodeAll(t, text, 3) {
			read += b.read
			out += int64(len(b.rows)+len(b.rejects)) + b.skipped
			start := 0
			for i, r := range b.rows {
				copied := b.buf[start:r.end]
				require.True(t, utf8.Valid(copied))
				require.NotContains(t, string(copied), "\x00")
				require.Equal(t, 1, bytes.Count(copied, []byte("\n")), "one line")
				require.Equal(t, 54, bytes.Count(copied, []byte("\t")), "53 columns, hash and run")
				require.NotEqual(t, uenNone, shapeOf(b.uenAt(i)))
				start = r.end
			}
			for _, r := range b.rejects {
				require.True(t, utf8.ValidString(r.Raw+r.Reason+r.UEN), "%q", r)
				require.NotContains(t, r.Raw+r.Reason+r.UEN, "\x00")
				require.NotEmpty(t, r.Reason)
			}
		}
		require.Equal(t, read, out)
	})
}

// The size of batches does not change the result.
func TestBatchesDoNotMatter(t *testing.T) {
	t.Parallel()
	text := []byte(strings.Join(Columns(), ",") + "\n")
	for i := range 300 {
		body := string([]byte{'2', '0', '1', '0', '0', '0' + byte(i/100), '0' + byte(i/10%10), '0' + byte(i%10), '7'})
		line := body + string(CheckLetter(body)) + strings.Repeat(",na", 52)
		if i%17 == 0 {
			line = "\"" + line // a stray quote
		}
		text = append(text, line+"\n"...)
	}
	var want string
	for _, size := range []int{1000, 1, 7, 100} {
		var all, refused strings.Builder
		for _, b := range decodeAll(t, text, size) {
			all.Write(b.buf)
			for _, r := range b.rejects {
				refused.WriteString(r.Reason + "\n")
			}
		}
		require.Equal(t, 18, strings.Count(refused.String(), "unclosed quote"))
		if want == "" {
			want = all.String()
			require.Equal(t, 282, strings.Count(want, "\n"))
		}
		require.Equal(t, want, all.String())
	}
}

// hashSet behaves like a map, except for 0, and reports when it is full.
func TestHashSet(t *testing.T) {
	t.Parallel()
	p, model := newHashSet(15_000), map[uint64]bool{}
	x := uint64(1)
	for range 30_000 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		key := (x%20_000 + 1) * 0x9e3779b97f4a7c15
		require.Equal(t, model[key], p.has(key))
		if p.add(key) {
			model[key] = true
		}
		require.Equal(t, model[key], p.has(key))
	}
	require.Len(t, model, 15_000)
	require.False(t, p.has(0))
	require.False(t, (&hashSet{}).has(7))
}
