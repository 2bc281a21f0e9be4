package crm

import (
	"context"

	"github.com/leadctl/leadctl/pkg/odoo"
)

// Marks are external ids in ownModule. They tell leadctl's records apart, whatever people rename them to.

// findMarked returns the record with the mark; 0 if there is none.
func findMarked(ctx context.Context, s *odoo.Session, mark string) (int64, error) {
	id := ownModule + "." + mark
	found, err := s.ResolveXMLIDs(ctx, []string{id})
	return found[id], err
}

// ensureMarked makes a record with the mark and this name, unless one has the mark.
func ensureMarked(ctx context.Context, s *odoo.Session, model, mark, name string) error {
	if id, err := findMarked(ctx, s, mark); err != nil || id != 0 {
		return err
	}
	return s.LoadRecords(ctx, model, []string{"id", "name"}, [][]string{{ownModule + "." + mark, name}})
}

// markRecord gives the mark to a record that is not leadctl's.
func markRecord(ctx context.Context, s *odoo.Session, mark, model string, id int64) error {
	_, err := s.Create(ctx, "ir.model.data", []odoo.Record{{"module": ownModule, "name": mark, "model": model,
		"res_id": id, "noupdate": true}}, nil)
	return err
}
