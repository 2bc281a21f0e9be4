package tenant

// SelectActs is the statement of Acts, for a look at its plan.
const SelectActs = selectActs
