package httpapi

import (
	"context"

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

func (s *Server) getHealth(context.Context, *empty) (*okOut, error) { return ok(), nil }

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
	out.Body.Auth.DevBypass, out.Body.Auth.Issuer, out.Body.Auth.Audience = s.cfg.DevBypass, s.cfg.Issuer, s.cfg.Audience
	return out, nil
}
