package web

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"maps"
	"net/http"
	"sync"
	"time"
)

const (
	loopAfter  = 10          // identical requests within a second, above which they are a loop
	answerAge  = time.Second // how old an answer from memory may be
	loopTold   = time.Minute // between two log lines about a loop
	maxLoops   = 10_000
	maxKept    = 16 << 10 // bytes of an answer that is kept
	loopMemory = 2 * time.Second
)

// loops answers a session's identical requests from memory while they come in a loop: some clients ask for the state of
// the workspace a hundred times a second, in every open tab. One request a second is answered by its handler. The first
// requests of a second are never answered from memory, so that clients without a loop see every change at once. A
// request that may change something makes all answers in memory unusable.
type loops struct {
	routes map[string]bool // "GET /whoami": the routes whose answers may be repeated
	now    func() time.Time
	log    *slog.Logger
	count  func(route string, took time.Duration)

	mu    sync.Mutex
	byKey map[[sha256.Size]byte]*loop
	epoch uint64 // number of requests that may have changed something
}

// loop is a session's identical requests.
type loop struct {
	second time.Time // when the current second began
	asked  int       // requests in it
	hot    bool      // the second before had a loop
	answer *keptAnswer

	told  time.Time // when the log line was written
	saved int       // answers from memory since then
}

// keptAnswer is an answer with status 200.
type keptAnswer struct {
	at     time.Time // when its request came
	epoch  uint64
	header http.Header
	body   []byte
}

func (d *Door) newLoops(routes []string) *loops {
	l := &loops{routes: map[string]bool{}, byKey: map[[sha256.Size]byte]*loop{},
		now: func() time.Time { return d.now() }, log: d.log,
		count: func(route string, took time.Duration) { d.metrics.countRequest(route, http.StatusOK, false, took) }}
	for _, r := range routes {
		l.routes[r] = true
	}
	return l
}

// answerLoops wraps next.
func (l *loops) answerLoops(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route := r.Method + " " + r.URL.Path
		if !l.routes[route] {
			if r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodOptions {
				defer l.forgetAnswers()
			}
			next.ServeHTTP(w, r)
			return
		}
		start, key := l.now(), loopKey(r)
		answer, isLoop := l.noteRequest(r.Context(), key, route, start)
		if answer != nil {
			maps.Copy(w.Header(), answer.header)
			_, _ = w.Write(answer.body)
			l.count(route, l.now().Sub(start))
			return
		}
		if isLoop {
			r = r.WithContext(context.WithValue(r.Context(), quietKey{}, true))
		}
		l.keepAnswer(w, r, next, key, start)
	})
}

// quietKey marks the context of a request whose log line would repeat that of its loop.
type quietKey struct{}

func isQuiet(ctx context.Context) bool { return ctx.Value(quietKey{}) != nil }

// loopKey returns a digest of everything by which answers to a request differ.
func loopKey(r *http.Request) (key [sha256.Size]byte) {
	h := sha256.New()
	for _, text := range []string{r.Method, r.Host, r.URL.Path, r.URL.RawQuery} {
		h.Write([]byte(text + "\x00"))
	}
	for _, name := range []string{"Authorization", "Cookie", "Origin", "Referer", "Accept", "Accept-Encoding",
		"Accept-Language", "Content-Type", "Content-Length", "Sec-Fetch-Site", "Sec-Fetch-Mode", "X-Tenant-Id"} {
		for _, value := range r.Header[name] {
			h.Write([]byte(name + ":" + value + "\x00"))
		}
	}
	h.Sum(key[:0])
	return key
}

// noteRequest counts a request. It returns the answer to repeat, if there is one, and whether the request is one of a
// loop.
func (l *loops) noteRequest(ctx context.Context, key [sha256.Size]byte, route string, now time.Time) (*keptAnswer,
	bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.byKey[key]
	if p == nil {
		if !l.makeRoom(now) {
			return nil, false
		}
		p = &loop{second: now}
		l.byKey[key] = p
	}
	if passed := now.Sub(p.second); passed >= time.Second {
		p.hot = p.asked > loopAfter && passed < loopMemory
		p.second, p.asked = now, 0
	}
	p.asked++
	if !p.hot && p.asked <= loopAfter {
		return nil, false
	}
	if p.saved++; now.Sub(p.told) >= loopTold {
		l.log.InfoContext(ctx, "requests in a loop, answered from memory", "route", route, "session",
			hex.EncodeToString(key[:4]), "requests", p.saved)
		p.told, p.saved = now, 0
	}
	if a := p.answer; a != nil && a.epoch == l.epoch && now.Sub(a.at) < answerAge {
		return a, true
	}
	return nil, true
}

// makeRoom forgets what is no loop any more, if there are many, and reports whether there is room for another.
func (l *loops) makeRoom(now time.Time) bool {
	if len(l.byKey) < maxLoops {
		return true
	}
	maps.DeleteFunc(l.byKey, func(_ [sha256.Size]byte, p *loop) bool { return now.Sub(p.second) >= loopMemory })
	return len(l.byKey) < maxLoops
}

func (l *loops) forgetAnswers() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.epoch++
}

// keepAnswer answers the request and keeps the answer if it is a success. A success of another method than GET is kept
// only with status 200, which says that nothing changed.
func (l *loops) keepAnswer(w http.ResponseWriter, r *http.Request, next http.Handler, key [sha256.Size]byte,
	start time.Time) {
	l.mu.Lock()
	epoch := l.epoch
	l.mu.Unlock()
	k := &keeper{recorder: recorder{ResponseWriter: w}}
	next.ServeHTTP(k, r)
	if k.statusCode() != http.StatusOK || k.body.Len() > maxKept || len(w.Header()["Set-Cookie"]) > 0 {
		if r.Method != http.MethodGet {
			l.forgetAnswers()
		}
		return
	}
	header := w.Header().Clone()
	header.Del("X-Request-Id")
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.byKey[key]; p != nil && epoch == l.epoch {
		p.answer = &keptAnswer{at: start, epoch: epoch, header: header, body: k.body.Bytes()}
	}
}

// keeper also keeps what is written.
type keeper struct {
	recorder
	body bytes.Buffer
}

// Write implements http.ResponseWriter.
func (k *keeper) Write(b []byte) (int, error) {
	if k.body.Len() <= maxKept {
		k.body.Write(b)
	}
	return k.recorder.Write(b)
}
