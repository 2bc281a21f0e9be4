package leads

import (
	"context"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// RecordExport records a download of the tenant's leads: the format, the limit and the conditions of filter. The caller
// commits it in a transaction of its own before the first byte is sent, because an interrupted download must leave a
// line too.
func RecordExport(ctx context.Context, tx postgres.TenantTx, format Format, limit int, filter Filter,
	by tenant.By) error {
	detail := map[string]any{"format": string(format), "filter": filter.auditDetail()}
	if limit != All {
		detail["limit"] = limit
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
