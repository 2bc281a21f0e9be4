package leads

// The parts of the acts, for tests that need one of them in a transaction of their own.
var (
	StoreRule             = storeRule
	RemoveRule            = removeRule
	StartRun              = startRun
	FailRun               = failRun
	RefreshStaleCompanies = refreshStaleCompanies
)
