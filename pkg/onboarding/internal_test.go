package onboarding

// FailCancelled is what CancelJob does to the tenant of a cancelled onboarding.
var FailCancelled = failCancelled
