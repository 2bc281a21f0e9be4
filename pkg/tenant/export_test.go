package tenant

// SelectActs is the statement of Acts, for a look at its plan.
const SelectActs = selectActs

// Arguments are those of SelectActs.
func (f ActFilter) Arguments() []any { return f.queryArguments() }
