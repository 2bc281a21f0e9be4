package gauge

// SampleFeatures is a typical value of lead_features.features, as an SQL literal.
const SampleFeatures = `'{"age": 0.7, "form": 1, "rule": "Software", "size": null, "rule_id": 1, "website": 0, ` +
	`"industry": 1, "keywords": null, "standing": 1}'`

// SampleRationale is a typical value of lead_scores.rationale, as an SQL literal.
const SampleRationale = `'Fits "Software" at 84 of 100: computer programming, information technology consultancy and ` +
	`related activities (SSIC 62011) matches the profile (35 of 35); incorporated in 2015 (15 of 15); ` +
	`local company (10 of 10); no website known (0 of 5); in good standing (5 of 5)'`
