package onboarding

// FailCancelled makes failCancelled available to the tests.
var FailCancelled = failCancelled
