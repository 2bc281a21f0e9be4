package tenant

// SelectActs is the statement of Acts, to test its plan.
const SelectActs = selectActs

// Arguments returns the arguments of SelectActs.
func (f ActFilter) Arguments() []any { return f.queryArguments() }
