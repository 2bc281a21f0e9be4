package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/leadctl/leadctl/pkg/fault"
)

// odooField is one line of `odoo fields`.
type odooField struct {
	Model string `json:"model"`
	Field string `json:"field"`
	Type  string `json:"type"`
	State string `json:"state"`
	Label string `json:"label"`
}

// ownPart is one line of `odoo fields --remove`.
type ownPart struct {
	Part  string `json:"part"`
	State string `json:"state"`
}

// fieldFlags are the flags of `odoo fields`.
type fieldFlags struct {
	ref              string
	remove, yes, dry bool
}

func newOdooFields(a *app) *cobra.Command {
	var f fieldFlags
	cmd := &cobra.Command{
		Use:   "fields",
		Short: "List or remove leadctl's fields in a tenant's workspace",
		Long: "List leadctl's fields and their state in a tenant's workspace: present, missing, or of another type.\n" +
			"`leadctl tenant provision TENANT` creates missing fields. A field of another type belongs to someone\n" +
			"else; its owner must rename it.\n\n" +
			"With --remove, delete the fields with their values, leadctl's views, the group of viewers, and saved\n" +
			"filters that name a field. Leads and contacts stay, and so do the sales team, the source, the tag and\n" +
			"the lost reason. The next push brings fields and views back; `leadctl odoo policy --pause` prevents\n" +
			"pushes.",
		Example: "  leadctl odoo fields --tenant 42\n" +
			"  leadctl odoo fields --tenant 42 --remove --dry-run\n" +
			"  leadctl odoo fields --tenant 42 --remove --yes",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case !f.remove && (f.yes || f.dry):
				return fault.New(fault.Invalid, "odoo fields: --yes and --dry-run need --remove")
			case f.remove:
				return a.removeOdooFields(cmd.Context(), f)
			}
			fields, err := a.odooFields(cmd.Context(), f.ref)
			return errors.Join(err, a.printResultUnless(err, fields))
		},
	}
	tenantFlag(cmd, &f.ref)
	cmd.Flags().BoolVar(&f.remove, "remove", false, "remove leadctl's fields and views from the workspace")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "confirm that the values of the fields are deleted")
	cmd.Flags().BoolVar(&f.dry, "dry-run", false, "list what --remove deletes, but delete nothing")
	return a.addOutputFlag(cmd)
}

func (a *app) removeOdooFields(ctx context.Context, f fieldFlags) error {
	if !f.yes && !f.dry {
		return fault.New(fault.Invalid, "odoo fields --remove: deletes the values of the fields, and --yes is not set").
			WithHint("add --yes, or --dry-run to see what it deletes")
	}
	spaces, t, err := a.openWorkspaceOf(ctx, f.ref)
	if err != nil {
		return err
	}
	gone, err := spaces.RemoveFields(ctx, t.ID, f.dry, operatorBy(""))
	parts := make([]ownPart, len(gone))
	for i, name := range gone {
		parts[i] = ownPart{name, "removed"}
		if f.dry {
			parts[i].State = "present"
		}
	}
	if len(parts) == 0 && err != nil {
		return err
	}
	return errors.Join(a.printResult(parts), err)
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
