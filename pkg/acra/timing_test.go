package acra

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// stallingServer sends the first half of its file, and nothing more until the client gives up. It answers requests
// for a range with the rest.
type stallingServer string

func (s stallingServer) RoundTrip(r *http.Request) (*http.Response, error) {
	half := len(s) / 2
	if r.Header.Get("Range") == "" {
		body := io.MultiReader(strings.NewReader(string(s[:half])), silence{r.Context()})
		return &http.Response{StatusCode: http.StatusOK, ContentLength: int64(len(s)), Body: io.NopCloser(body)}, nil
	}
	return &http.Response{StatusCode: http.StatusPartialContent, Header: http.Header{"Content-Range": {"bytes 4-7/8"}},
		Body: io.NopCloser(strings.NewReader(string(s[half:])))}, nil
}

type silence struct{ ctx context.Context }

func (s silence) Read([]byte) (int, error) {
	<-s.ctx.Done()
	return 0, s.ctx.Err()
}

func TestStalledDownloadContinues(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		client := Service{Client: &http.Client{Transport: stallingServer("register")}}.newClient()
		start := time.Now()
		text, err := io.ReadAll(&download{apiClient: client, ctx: t.Context(), what: "file",
			url: "http://storage.example/file"})
		require.NoError(t, err)
		require.Equal(t, "register", string(text))
		require.WithinDuration(t, start.Add(stallLimit), time.Now(), 2*time.Second, "one stall and one backoff")
	})
}

// No window of the service gets more calls than its limit, also when calls begin after a quiet time.
func TestPacerKeepsTheLimit(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := pacer{gap: window / 4}
		var calls []time.Time
		for i := range 40 {
			if i%10 == 0 {
				time.Sleep(time.Minute)
			}
			time.Sleep(p.reserveTurn())
			calls = append(calls, time.Now())
		}
		for i := range calls[4:] {
			require.GreaterOrEqual(t, calls[i+4].Sub(calls[i]), window, "calls %d to %d", i, i+4)
		}
	})
}
