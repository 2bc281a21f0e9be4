package acratest

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strconv"
)

// Fault answers a request in place of the site, or alters the site's answer.
type Fault func(w http.ResponseWriter, r *http.Request, answer http.HandlerFunc)

// Reply answers with status and body. header is a list of names and values.
func Reply(status int, body string, header ...string) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.HandlerFunc) {
		w.Header().Set("Content-Type", "text/html")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

// TooMany is the real service's 429 answer. It has a Retry-After unless retryAfter is "".
func TooMany(retryAfter string) Fault {
	header := []string{"Content-Type", "application/json"}
	if retryAfter != "" {
		header = append(header, "Retry-After", retryAfter)
	}
	const body = `{"code":24,"name":"TOO_MANY_REQUESTS","data":null,` +
		`"errorMsg":"Rate limit exceeded. Please try again in 10 seconds"}`
	return Reply(http.StatusTooManyRequests, body, header...)
}

// HTML answers with an HTML page, as the service's CDN does. status may be 200 too.
func HTML(status int) Fault { return Reply(status, "<html><body>upstream</body></html>") }

// Unsuccessful answers 200 with "success": false.
func Unsuccessful() Fault {
	return Reply(http.StatusOK, `{"success":false,"error":{"message":"Internal error"}}`, "Content-Type",
		"application/json")
}

// Cut sends share of the answer and drops the connection.
func Cut(share float64) Fault {
	return func(w http.ResponseWriter, r *http.Request, answer http.HandlerFunc) {
		rec := httptest.NewRecorder()
		answer(rec, r)
		for name, values := range rec.Header() {
			w.Header()[name] = values
		}
		body := rec.Body.Bytes()
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(rec.Code)
		_, _ = w.Write(body[:int(float64(len(body))*share)])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// Damaged sends share of the answer as if it were complete.
func Damaged(share float64) Fault {
	return func(w http.ResponseWriter, r *http.Request, answer http.HandlerFunc) {
		rec := httptest.NewRecorder()
		answer(rec, r)
		w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
		w.WriteHeader(rec.Code)
		_, _ = w.Write(rec.Body.Bytes()[:int(float64(rec.Body.Len())*share)])
	}
}

// Delivery is how an answer tells its end.
type Delivery string

// The deliveries.
const (
	ByLength Delivery = "Content-Length"
	ByChunks Delivery = "last chunk"
	ByClose  Delivery = "end of the connection" // without Content-Length
)

// EndsEarly sends what cut leaves of the answer, as if it were complete.
func EndsEarly(how Delivery, cut func([]byte) []byte) Fault {
	return func(w http.ResponseWriter, r *http.Request, answer http.HandlerFunc) {
		rec := httptest.NewRecorder()
		answer(rec, r)
		body := cut(rec.Body.Bytes())
		w.Header().Set("Content-Type", rec.Header().Get("Content-Type"))
		w.Header().Set("ETag", rec.Header().Get("ETag"))
		switch how {
		case ByLength:
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		case ByChunks:
			_ = http.NewResponseController(w).Flush()
		case ByClose:
			conn, out, err := http.NewResponseController(w).Hijack()
			if err != nil {
				panic(err)
			}
			defer conn.Close()
			_, _ = out.WriteString("HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\nConnection: close\r\n\r\n")
			_, _ = out.Write(body)
			_ = out.Flush()
			return
		}
		_, _ = w.Write(body)
	}
}

// Without removes a column from every row of a page.
func Without(column string) Fault {
	return editPage(func(p *page, _ []map[string]any) {
		for _, row := range p.Records {
			delete(row, column)
		}
	})
}

// WrongTotal adds by to the total that a page announces.
func WrongTotal(by int) Fault {
	return editPage(func(p *page, _ []map[string]any) { p.Total += by })
}

// Shift serves a page as if the dataset had lost (positive) or gained (negative) by rows before it since the last page.
func Shift(by int) Fault {
	return func(w http.ResponseWriter, r *http.Request, answer http.HandlerFunc) {
		offset := intOr(r.URL.Query(), "offset", 0)
		editPage(func(p *page, all []map[string]any) {
			from := min(max(offset+by, 0), len(all))
			p.Records = all[from:min(from+len(p.Records), len(all))]
		})(w, r, answer)
	}
}

func editPage(edit func(*page, []map[string]any)) Fault {
	return func(w http.ResponseWriter, r *http.Request, answer http.HandlerFunc) {
		answer(w, r.WithContext(context.WithValue(r.Context(), pageEditKey{}, edit)))
	}
}

// Meanwhile calls do before the site answers.
func Meanwhile(do func()) Fault {
	return func(w http.ResponseWriter, r *http.Request, answer http.HandlerFunc) {
		do()
		answer(w, r)
	}
}

// NoRange answers like a server that ignores Range.
func NoRange() Fault {
	return func(w http.ResponseWriter, r *http.Request, answer http.HandlerFunc) {
		r = r.Clone(r.Context())
		r.Header.Del("Range")
		answer(w, r)
	}
}

// HangUp closes the connection without an answer.
func HangUp() Fault {
	return func(http.ResponseWriter, *http.Request, http.HandlerFunc) { panic(http.ErrAbortHandler) }
}
