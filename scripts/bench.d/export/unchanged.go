package main

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/leadctl/leadctl/scripts/bench.d/gauge"
)

// measureUnchanged compares a conditional request for an unchanged export with its download.
func (b *bench) measureUnchanged(base, token string) error {
	var known, whole []float64
	for range b.rounds {
		first, err := downloadAll(base, token, "")
		if err != nil {
			return err
		}
		second, err := downloadAll(base, token, first.tag)
		if err == nil && second.status != http.StatusNotModified {
			err = fmt.Errorf("GET of an export that is known: %d", second.status)
		}
		if err != nil {
			return err
		}
		whole, known = append(whole, first.took.Seconds()), append(known, second.took.Seconds())
	}
	gauge.Figure{Name: fmt.Sprintf("export-unchanged-%dk", b.rows/1000), Ours: gauge.Median(known),
		Ref: gauge.Median(whole), Unit: "s"}.Print()
	return nil
}

// downloadResult describes an answer that was read to its end.
type downloadResult struct {
	status int
	tag    string
	took   time.Duration
}

// downloadAll requests all rows of the token's tenant, conditionally when tag is not "".
func downloadAll(base, token, tag string) (downloadResult, error) {
	start := time.Now()
	req, err := http.NewRequest(http.MethodGet, base+"/export/latest_scores.csv?limit=all", nil)
	if err != nil {
		return downloadResult{}, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if tag != "" {
		req.Header.Set("If-None-Match", tag)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return downloadResult{}, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	if err == nil && resp.StatusCode == http.StatusOK && resp.Trailer.Get("X-Row-Count") == "" {
		err = fmt.Errorf("GET %s: broken off", req.URL)
	}
	return downloadResult{resp.StatusCode, resp.Header.Get("ETag"), time.Since(start)}, err
}
