package leads

import (
	"context"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// RecordExport records a download of the tenant's leads: the format, the limit, the columns and the conditions of the
// filter. The caller commits it in a transaction of its own before the first byte is sent, because an interrupted
// download must leave a line too.
func RecordExport(ctx context.Context, tx postgres.TenantTx, o ExportOptions, by tenant.By) error {
	detail := map[string]any{"format": string(o.Format), "filter": o.Filter.auditDetail()}
	if o.Limit != All {
		detail["limit"] = o.Limit
	}
	if len(o.Columns) > 0 {
		detail["columns"] = o.Columns
	}
	return tenant.Record(ctx, tx, by, tenant.Act{Tenant: tx.Tenant(), Action: "export.scores",
		Object: tx.Tenant().String(), Detail: detail})
}

// auditDetail returns the conditions of the filter that are set, by name, for the audit log.
func (f Filter) auditDetail() map[string]any {
	set := map[string]any{}
	for name, value := range map[string]string{"text": f.Text, "industry": f.Industry, "bucket": f.Bucket} {
		if value != "" {
			set[name] = value
		}
	}
	for name, value := range map[string]*int{"year_min": f.Years.Min, "year_max": f.Years.Max} {
		if value != nil {
			set[name] = *value
		}
	}
	if f.MinScore != nil {
		set["min_score"] = *f.MinScore
	}
	return set
}
