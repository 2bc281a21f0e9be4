package httpapi_test

import "testing"

// TestCases runs the acceptance cases of the HTTP level, by their ids. Cases that read the whole database or need
// another set-up make their own rig; the others share one and use their own tenants.
func TestCases(t *testing.T) {
	t.Parallel()
	shared := newRig(t)
	for id, run := range map[string]func(*testing.T, *rig){
		"A-003": noCredentials, "A-035": tooBigTokens,
		"A-070": noTenantClaim, "A-071": numberAndText, "A-072": numbersThatAreNone, "A-075": looseSpellings,
		"A-076": foreignDigits,
		"A-077": hugeNumbers, "A-078": structuredTenants, "A-079": wildTenants, "A-080": twoTenantClaims,
		"A-082": unknownTenants,
		"A-083": suspendedTenants, "A-085": rolesAsText, "A-086": almostAdmin, "A-087": malformedRoles,
		"A-088": realmRoles,
		"A-090": rolesFromSeveral, "A-091": manyRoles, "A-092": rolesTooLow,
		"A-093": tokensElsewhere, "A-096": schemeInAnyCase, "A-097": malformedAuthorization,
		"A-098": tenantHeaderIgnored,
		"A-099": tenantHeaderIsNoClaim, "A-101": developmentBypass, "A-110": providerDownAtStart,
		"A-148": removedMembers, "B-080": accessTakenBack, "B-085": everyRouteIsRecorded,
		"A-136": equalRefusals, "A-137": refusalsNeedNoDatabase,
		"A-121": refusalsAreNotReflected, "C-025": garbageCookies, "C-031": nothingInFrames, "C-027": placesToReturnTo,
		"C-067": onlyStrictJSON,
		"B-046": foreignIDs, "B-048": validatorsAreOnesOwn, "B-049": principalsAreKeptApart,
		"B-050": noConstraintSpeaks, "B-052": notificationsSayNothing, "B-062": oneTenantARequest,
		"B-064": injections, "B-065": massAssignment, "B-066": exportsLeaveNoFiles, "B-067": nothingIsCached,
		"C-001": bigBodies, "C-003": encodedBodies, "C-004": otherMediaTypes, "C-006": controlCharacters,
		"C-007": limits, "C-008": manyHeaders,
		"C-009": longURLs, "C-015": otherMethods, "C-017": forwardedHeaders, "C-018": otherOrigins, "C-019": preflights,
		"C-033": exactTypes,
		"C-034": formulas, "C-035": csvIsExact, "C-037": safeFileName, "C-038": equalExports,
		"C-041 export": exportsArePaced, "C-041 runs": runsArePaced, "C-041 sign-in": signInIsPaced,
		"C-041 holder": oneHolderIsPaced, "C-041 origin": sourcesAreNotBelieved, "C-042": nothingToDebug,
		"C-049": pathsLeadNowhere, "C-052": nothingForDevelopers, "C-043": healthSaysLittle,
		"C-044": everyFailureIsAProblem, "C-045": logInjection, "C-046": nothingReflected, "C-051": openRoutes,
		"C-054": conditionalHeaders, "C-055": compressedExportsOnly,
	} {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			run(t, shared)
		})
	}
}
