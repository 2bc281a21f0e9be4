package session_test

import (
	"io"
	"net/http"
)

func copyAll(w io.Writer, res *http.Response) (int64, error) {
	defer res.Body.Close()
	return io.Copy(w, res.Body)
}
