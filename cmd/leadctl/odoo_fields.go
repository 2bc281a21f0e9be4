package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
)

// odooField is one line of `odoo fields`.
type odooField struct {
	Model string `json:"model"`
	Field string `json:"field"`
	Type  string `json:"type"`
	State string `json:"state"`
	Label string `json:"label"`
}

func newOdooFields(a *app) *cobra.Command {
	var ref string
	cmd := &cobra.Command{
		Use:   "fields",
		Short: "List leadctl's fields and their state in a tenant's workspace",
		Long: "List leadctl's fields and their state in a tenant's workspace: present, missing, or of another type.\n" +
			"`leadctl tenant provision TENANT` creates missing fields. A field of another type belongs to someone\n" +
			"else; its owner must rename it.",
		Example: "  leadctl odoo fields --tenant 42",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fields, err := a.odooFields(cmd.Context(), ref)
			return errors.Join(err, a.printResultUnless(err, fields))
		},
	}
	cmd.Flags().StringVar(&ref, "tenant", "", "tenant whose workspace to check: number or external ID")
	_ = cmd.MarkFlagRequired("tenant")
	return a.addOutputFlag(cmd)
}

func (a *app) odooFields(ctx context.Context, ref string) ([]odooField, error) {
	spaces, t, err := a.openWorkspaceOf(ctx, ref)
	if err != nil {
		return nil, err
	}
	w, err := spaces.Current(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	states, err := spaces.Odoo.FieldStates(ctx, w)
	rows := make([]odooField, len(states))
	for i, f := range states {
		rows[i] = odooField{f.Model, f.Name, f.Type, "present", f.Label}
		switch f.Has {
		case f.Type:
		case "":
			rows[i].State = "missing"
		default:
			rows[i].State = "is " + f.Has
		}
	}
	return rows, err
}
