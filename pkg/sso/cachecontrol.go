package sso

import (
	"strconv"
	"strings"
	"time"
)

// cacheLifetime reads how long an answer may be kept, held between minKeyAge and maxKeyAge. no-store and no-cache mean
// minKeyAge; a header that says nothing means maxKeyAge.
func cacheLifetime(cacheControl string) time.Duration {
	life := maxKeyAge
	for directive := range strings.SplitSeq(cacheControl, ",") {
		name, value, _ := strings.Cut(strings.ToLower(strings.TrimSpace(directive)), "=")
		switch name {
		case "no-store", "no-cache":
			return minKeyAge
		case "max-age":
			seconds, err := strconv.Atoi(strings.Trim(value, `"`))
			if err != nil || seconds > int(maxKeyAge/time.Second) {
				continue
			}
			life = max(time.Duration(seconds)*time.Second, minKeyAge)
		}
	}
	return life
}
