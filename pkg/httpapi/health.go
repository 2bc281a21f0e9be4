package httpapi

import (
	"context"
	"time"

	"github.com/leadctl/leadctl/pkg/fault"
)

type empty struct{}

type okOut struct {
	Body struct {
		OK bool `json:"ok"`
	}
}

func ok() *okOut {
	out := &okOut{}
	out.Body.OK = true
	return out
}

func (s *Server) getLive(context.Context, *empty) (*okOut, error) { return ok(), nil }

// healthOut is ok for everybody; the register's age is for whoever watches the data.
type healthOut struct {
	Body struct {
		OK       bool            `json:"ok"`
		Register *registerHealth `json:"register,omitempty" doc:"Left out until a register was loaded"`
	}
}

type registerHealth struct {
	CurrentAt  time.Time `json:"current_at" doc:"When the companies were last found to be as published, or were loaded"`
	AgeSeconds int64     `json:"age_seconds" doc:"Time since then"`
	Released   string    `json:"released,omitempty" doc:"The publisher's date of the release that is loaded"`
}

// getHealth says that the process answers, and how old its data is as far as it knows: a database that is away changes
// nothing.
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

// getReady says whether requests should come here. It tells a stranger nothing about why not; the log does.
func (s *Server) getReady(ctx context.Context, _ *empty) (*okOut, error) {
	if s.draining.Load() {
		return nil, fault.New(fault.Unavailable, "shutting down")
	}
	if s.health != nil {
		if err := s.health(ctx); err != nil {
			return nil, fault.New(fault.Unavailable, "not ready").Because(err)
		}
	}
	return ok(), nil
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
