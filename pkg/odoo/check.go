package odoo

import (
	"context"
	"slices"
)

// Report is what `odoo test` prints.
type Report struct {
	BaseURL string  `json:"base_url"`
	Version string  `json:"version"`
	Checks  []Check `json:"checks"`
	Paths   []Check `json:"provisioning"` // the ways of making workspaces, open or closed; the first is the one that is taken
}

// Err is the error of the first failed check, or of the way in which workspaces are made, when that is closed.
func (r Report) Err() error {
	for _, c := range slices.Concat(r.Checks, r.Paths) {
		if c.Err != nil && !c.Spare {
			return c.Err
		}
	}
	return nil
}

// Test tries what leadctl needs from this server without a workspace: the version, and each way of making one, of which none is made.
func (s *Server) Test(ctx context.Context, provisioners ...*Provisioner) Report {
	r := Report{BaseURL: s.BaseURL()}
	r.Checks = []Check{reportBackend("version", true, func() (string, error) {
		v, err := s.Version(ctx)
		r.Version = v.Name
		if err == nil && !v.XMLRPC {
			return v.Name + "; XML-RPC is shut, which it can do without", nil
		}
		return v.Name, err
	})}
	for _, p := range provisioners {
		r.Paths = append(r.Paths, p.checkBackends(ctx)...)
	}
	return r
}
