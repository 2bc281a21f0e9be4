package odoo

import "context"

// baselineKey is the parameter that says that the baseline has been set once.
const baselineKey = "leadctl.baseline"

// EnsureBaseline gives the workspace's own company the tenant's name, once: a name that the tenant changes later stays.
func (p *Provisioner) EnsureBaseline(ctx context.Context, w Workspace, companyName string) error {
	s, err := p.Session(ctx, w)
	if err != nil {
		return err
	}
	if done, err := s.parameter(ctx, baselineKey); err != nil || done != "" {
		return err
	}
	company, err := s.xmlID(ctx, "base.main_company")
	if err != nil {
		return err
	}
	if err := s.Write(ctx, "res.company", []int64{company}, Record{"name": companyName}, quiet()); err != nil {
		return err
	}
	return s.setParameter(ctx, baselineKey, "1")
}
