package acra

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

// stallLimit bounds the time in which a download sends nothing.
const stallLimit = time.Minute

// download reads a file over HTTP from beginning to end. After a broken connection it requests the missing rest with
// Range; an expired link is renewed. It never mixes two releases of the file.
type download struct {
	*apiClient
	ctx        context.Context // of the run: io.Reader has no parameter for it
	what       string
	url        string
	renewLink  func(context.Context) (string, error) // returns a new URL
	body       io.ReadCloser
	cancel     context.CancelFunc
	stallTimer *time.Timer
	offset     int64
	size       int64 // in bytes; -1 when the server does not send it
	etag       string
	tries      int // failed tries since the last byte
}

// Read implements io.Reader. Fault: Unavailable when the server is unreachable, or when the file changed while it was
// read.
func (d *download) Read(p []byte) (int, error) {
	for {
		if d.body == nil {
			if err := d.openBody(); err != nil {
				return 0, err
			}
		}
		d.stallTimer.Reset(stallLimit)
		n, err := d.body.Read(p)
		d.stallTimer.Stop()
		d.offset += int64(n)
		switch {
		case n > 0:
			d.tries = 0
			if err != nil && err != io.EOF {
				_ = d.close()
			}
			return n, nil
		case err == io.EOF && (d.size < 0 || d.offset == d.size):
			return 0, io.EOF
		case err == nil:
			continue
		}
		_ = d.close()
		if err := d.pauseBeforeRetry(0, err); err != nil {
			return 0, err
		}
	}
}

func (d *download) close() error {
	if d.body == nil {
		return nil
	}
	d.cancel()
	d.stallTimer.Stop()
	err := d.body.Close()
	d.body = nil
	return err
}

// openBody requests the file from d.offset on, until the server sends it.
func (d *download) openBody() error {
	for {
		after, err := d.requestBody()
		if err == nil || after < 0 {
			return err
		}
		if err := d.pauseBeforeRetry(after, err); err != nil {
			return err
		}
	}
}

// pauseBeforeRetry waits before the next try. After too many tries it returns the last cause.
func (d *download) pauseBeforeRetry(after time.Duration, cause error) error {
	if err := d.ctx.Err(); err != nil {
		return err
	}
	if d.tries++; d.tries >= callTries {
		return fault.New(fault.Unavailable, "%s: gave up at byte %d after %d tries: %w",
			d.what, d.offset, d.tries, cause)
	}
	pause := max(after, backoff(d.tries))
	d.Log.WarnContext(d.ctx, "register download: retrying", "what", d.what, "byte", d.offset, "try", d.tries,
		"wait", pause, "error", cause)
	return d.Wait(d.ctx, pause)
}

func (d *download) requestBody() (after time.Duration, err error) {
	ctx, cancel := context.WithCancel(d.ctx)
	header := http.Header{"Accept-Encoding": {"identity"}} // offsets count bytes of the uncompressed file
	if d.offset > 0 {
		header.Set("Range", fmt.Sprintf("bytes=%d-", d.offset))
		if d.etag != "" {
			header.Set("If-Range", d.etag)
		}
	}
	resp, err := d.sendGet(ctx, d.url, header)
	if err != nil {
		cancel()
		return 0, fault.New(fault.Unavailable, "%s: %w", d.what, withoutURL(err))
	}
	if after, err = d.checkResponse(resp); err != nil {
		_ = resp.Body.Close()
		cancel()
		return after, err
	}
	d.body, d.cancel, d.stallTimer = resp.Body, cancel, time.AfterFunc(stallLimit, cancel)
	return 0, d.skipToOffset(resp)
}

// checkResponse checks the status and headers of an answer. after is the wait before the next try, negative when a
// retry is useless.
func (d *download) checkResponse(resp *http.Response) (after time.Duration, err error) {
	if resp.StatusCode == http.StatusForbidden {
		if d.url, err = d.renewLink(d.ctx); err != nil {
			return -1, err
		}
		return 0, fault.New(fault.Unavailable, "%s: HTTP 403, link expired", d.what).
			WithHint("if new links are refused too, a proxy or firewall blocks the storage behind them")
	}
	if after, err = statusError(d.what, resp); err != nil {
		return after, err
	}
	if strings.Contains(resp.Header.Get("Content-Type"), "text/html") {
		return 0, fault.New(fault.Unavailable, "%s: got HTML instead of the file", d.what)
	}
	etag := resp.Header.Get("ETag")
	if d.offset == 0 {
		d.etag, d.size = etag, resp.ContentLength
		return 0, nil
	}
	if etag != d.etag {
		return -1, fault.New(fault.Unavailable, "%s: republished while it was read", d.what).
			WithHint("run the ingestion again: it starts over with the new release")
	}
	return 0, nil
}

// skipToOffset discards what was read before, when the server sends the file from its start.
func (d *download) skipToOffset(resp *http.Response) error {
	begins := fmt.Sprintf("bytes %d-", d.offset)
	ranged := resp.StatusCode == http.StatusPartialContent &&
		strings.HasPrefix(resp.Header.Get("Content-Range"), begins)
	if d.offset == 0 || ranged {
		return nil
	}
	_, err := io.CopyN(io.Discard, d.body, d.offset)
	if err != nil {
		_ = d.close()
	}
	return err
}
