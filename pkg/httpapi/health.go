package httpapi

import (
	"context"
	"net/http"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

type empty struct{}

type okOut struct {
	Body struct {
		OK bool `json:"ok"`
	}
}

func newOK() *okOut {
	out := &okOut{}
	out.Body.OK = true
	return out
}

func (s *Server) getLive(context.Context, *empty) (*okOut, error) { return newOK(), nil }

// healthOut has ok for load balancers and the register's age for monitoring.
type healthOut struct {
	Body struct {
		OK       bool            `json:"ok"`
		Register *registerHealth `json:"register,omitempty" doc:"Absent until a register is loaded"`
	}
}

type registerHealth struct {
	CurrentAt  time.Time `json:"current_at" doc:"When the register was last loaded or confirmed to be current"`
	AgeSeconds int64     `json:"age_seconds" doc:"Seconds since current_at"`
	Released   string    `json:"released,omitempty" doc:"Publisher's date of the loaded release"`
}

// getHealth reports that the process answers, and the last known age of the register. It needs no database.
func (s *Server) getHealth(ctx context.Context, _ *empty) (*healthOut, error) {
	out := &healthOut{}
	out.Body.OK = true
	if s.register == nil {
		return out, nil
	}
	if age := s.register(ctx); !age.Current.IsZero() {
		out.Body.Register = &registerHealth{age.Current.UTC(), int64(s.now().Sub(age.Current).Seconds()), age.Released}
	}
	return out, nil
}

type readyOut struct {
	Body struct {
		OK      bool   `json:"ok"`
		LogLost uint64 `json:"log_lines_lost,omitempty" doc:"Log lines lost so far; only while lines are being lost"`
	}
}

// endConnections makes each answer of a draining process the last one of its connection.
func (s *Server) endConnections(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.draining.Load() {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}

// getReady reports whether a load balancer should send requests to this process. The reason is in the log only, because
// the route is open. Lost log lines do not make the process unready: all replicas may share the log's reader, and then
// none would serve.
func (s *Server) getReady(ctx context.Context, _ *empty) (*readyOut, error) {
	if s.draining.Load() {
		return nil, fault.New(fault.Unavailable, "shutting down")
	}
	if s.health != nil {
		if err := s.health(ctx); err != nil {
			return nil, fault.New(fault.Unavailable, "not ready").Because(err)
		}
	}
	out := &readyOut{}
	out.Body.OK = true
	if s.logLost != nil {
		out.Body.LogLost = s.logLost()
	}
	return out, nil
}

type infoOut struct {
	Body struct {
		OK         bool `json:"ok"`
		Checkpoint bool `json:"checkpoint_enabled" doc:"Always false; existing clients read it"`
		Auth       struct {
			DevBypass bool   `json:"dev_bypass"`
			Issuer    string `json:"issuer"`
			Audience  string `json:"audience"`
		} `json:"auth"`
	}
}

func (s *Server) getInfo(context.Context, *empty) (*infoOut, error) {
	out := &infoOut{}
	out.Body.OK = true
	out.Body.Auth.DevBypass, out.Body.Auth.Issuer, out.Body.Auth.Audience = s.cfg.DevBypass, s.cfg.Issuer,
		s.cfg.Audience
	return out, nil
}
