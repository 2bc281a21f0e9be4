package leads

import (
	"context"

	"github.com/leadctl/leadctl/pkg/postgres"
	"github.com/leadctl/leadctl/pkg/tenant"
)

// RecordExport records that somebody downloads the tenant's leads: the format, the limit and the conditions of filter.
// The caller commits it before the first byte leaves, in a transaction of its own. A reader who breaks off a download
// in the middle has most of the leads, so the line must not depend on the end of the transaction that reads them.
func RecordExport(ctx context.Context, tx postgres.TenantTx, format Format, limit int, filter Filter,
	by tenant.By) error {
	detail := map[string]any{"format": string(format), "filter": filter.auditDetail()}
	if limit != All {
		detail["limit"] = limit
	}
	return tenant.Record(ctx, tx, by, tenant.Act{Tenant: tx.Tenant(), Action: "export.scores",
		Object: tx.Tenant().String(), Detail: detail})
}

// auditDetail is the filter for the audit log: the conditions that are set, by name.
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
